package main

import (
	"context"
	"flag"
	"os"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/host"
	"hhrlhf/kernel/setup"
)

func engineCommand() command {
	return command{
		name: "engine", short: "serve models and training to notebooks (the kernel starts it)",
		long: `
Owns the device, the models and the compiled programs, and serves them over a unix
socket until it is interrupted. A notebook's kernel starts its own; started by
hand, on a GPU host for one, several notebooks can use it:

  $        rlhf engine -name shared &
  $        rlhf lab -engine shared          all notebooks of this JupyterLab use it
  cell     var s = lab.At("shared")         this notebook uses it

From another machine, through a forward of the socket. At both ends it lies in a
folder that is yours alone (mode 0700); no TCP port is opened:

  gpu$     rlhf engine -socket ~/rlhf/engine.sock
  laptop$  mkdir -p -m 700 ~/rlhf
  laptop$  ssh -N -L ~/rlhf/gpu.sock:rlhf/engine.sock gpu &
  laptop$  rlhf lab -engine ~/rlhf/gpu.sock

rlhf ps shows what it does, rlhf stop ends it at the next step boundary. Runs that
nobody uses stay loaded up to -keep gigabytes; beyond that the ones used longest ago
are put away, and are loaded again, bit for bit, when somebody uses them.

GOMLX_BACKEND chooses the backend as in every GoMLX program. HHRLHF_DATA names a
folder of data sets: a run with Data "hh-rlhf" reads $HHRLHF_DATA/hh-rlhf.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			socket := fs.String("socket", "", "`path` of the unix socket (default: engine.sock in the data folder)")
			name := fs.String("name", "", "what people call it, for rlhf ps and lab.At (default: the notebook's name, else engine)")
			runs := fs.String("runs", os.Getenv(headless.RunsEnv), "`folder` of the runs (default: $"+headless.RunsEnv+", else runs in the data folder)")
			repo := fs.String("repo", "", "`folder` of the module, the one around the working folder by default")
			keep := fs.Float64("keep", 0, "`gigabytes` of models that may stay loaded unused, negative for none (default: half of the free memory; 4 on a device that does not tell)")
			return func(ctx context.Context, _ []string) error {
				d, err := setup.FindDirs(*repo)
				if err != nil {
					return err
				}
				if err := host.Ready(d); err != nil {
					return err
				}
				return host.Serve(ctx, d, host.Engine{Name: *name, Socket: *socket, Runs: *runs, Keep: int64(*keep * 1e9)})
			}
		},
	}
}
