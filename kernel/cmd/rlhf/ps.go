package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/host"
	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/pjrt"
)

func psCommand() command {
	return command{
		name: "ps", short: "list your engines and kernels, and what they do",
		long: `
Lists the engines of this machine that are yours, whoever started them, and the
notebook kernels. Nothing is waited for: a training run goes on meanwhile.

  rlhf ps
  rlhf ps -json                  for programs; everything lab.Status() says, too
  rlhf logs -f 09_ppo_run        follow the log of one (by name or pid)
  rlhf stop ppo-1                stop a run at its next step boundary

An engine's name is its notebook's, or what rlhf engine -name says; a cell of another
notebook uses it with lab.At("name"). "stale" is a socket that a killed engine has left:
the next engine there takes its place.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			asJSON := fs.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, _ []string) error {
				list, err := running(ctx)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(os.Stdout, list)
				}
				return list.print(os.Stdout)
			}
		},
	}
}

// A listing is what runs for this user.
type listing struct {
	Engines []engineLine    `json:"engines"`
	Kernels []socket.Kernel `json:"kernels"`
}

// An engineLine is an engine with what it says of itself.
type engineLine struct {
	socket.Engine
	Status *rlhf.Status `json:"status,omitempty"`
	Fault  string       `json:"fault,omitempty"` // why there is no status
}

// askWithin bounds the question to one engine: one that is stopped in a debugger
// must not keep the others from the list.
const askWithin = 3 * time.Second

// running finds what runs, and asks the engines.
func running(ctx context.Context) (listing, error) {
	found, err := engines()
	if err != nil {
		return listing{}, err
	}
	list := listing{Engines: []engineLine{}, Kernels: socket.Kernels()}
	for _, e := range found {
		line := engineLine{Engine: e}
		if !e.Stale {
			st, err := statusOf(ctx, e)
			if err != nil {
				line.Fault = err.Error()
			} else {
				line.Status = &st
			}
		}
		list.Engines = append(list.Engines, line)
	}
	return list, nil
}

// engines are this user's, those in the data folder included.
func engines() ([]socket.Engine, error) {
	home, err := pjrt.FindHome()
	if err != nil {
		return nil, err
	}
	return socket.Engines(host.Sockets(setup.Dirs{Data: home.Data}))
}

func statusOf(ctx context.Context, e socket.Engine) (rlhf.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return lab.Open(lab.Options{Socket: e.Socket, Wait: time.Second}).With(ctx).Status()
}

func (l listing) print(out io.Writer) error {
	if len(l.Engines)+len(l.Kernels) == 0 {
		_, err := fmt.Fprintln(out, "no engine and no kernel of yours runs on this machine; rlhf lab, or rlhf engine -h")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(l.Engines) > 0 {
		fmt.Fprintln(w, "ENGINE\tPID\tUP\tMEMORY\tDOING\tWAIT\tWATCH\tKERNEL\tSOCKET")
	}
	for _, e := range l.Engines {
		up, mem, now, wait, watch, kernel := "-", "-", "stale: its engine was killed; nothing runs", "-", "-", "-"
		switch {
		case e.Status != nil:
			up, now = ago(time.Since(e.Status.Since)), doing(*e.Status)
			mem = memory.Text(e.Status.RSSBytes)
			wait, watch = strconv.Itoa(e.Status.Waiting), strconv.Itoa(len(e.Status.Watchers))
		case !e.Stale:
			up, now = ago(time.Since(e.Since)), "does not say: "+printable(e.Fault)
		}
		if e.Kernel != nil {
			kernel = strconv.Itoa(e.Kernel.PID)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(printable(e.Name), "-"), e.PID, up, mem, now, wait, watch, kernel, e.Socket)
	}
	if len(l.Engines) > 0 && len(l.Kernels) > 0 {
		fmt.Fprintln(w)
	}
	if len(l.Kernels) > 0 {
		fmt.Fprintln(w, "KERNEL\tPID\tUP\tENGINE")
	}
	for _, k := range l.Kernels {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", cmp.Or(notebookName(k), "-"), k.PID, ago(time.Since(k.Since)), l.engineOf(k))
	}
	return w.Flush()
}

// engineOf words which engine a kernel's cells use.
func (l listing) engineOf(k socket.Kernel) string {
	for _, e := range l.Engines {
		if e.Socket == k.Socket {
			whose := "its own"
			if e.Kernel == nil || e.Kernel.PID != k.PID {
				whose = "another's"
			}
			return fmt.Sprintf("%d, %s", e.PID, whose)
		}
	}
	return "none answers at " + k.Socket
}

// notebookName is the name of a kernel's notebook.
func notebookName(k socket.Kernel) string {
	if k.Notebook == "" {
		return ""
	}
	return printable(strings.TrimSuffix(filepath.Base(k.Notebook), ".ipynb"))
}

// doing words what an engine does.
func doing(s rlhf.Status) string {
	j := s.Job
	if j == nil {
		return "idle"
	}
	text := fmt.Sprintf("%s: %s", j.Run, j.What)
	if j.Of > 0 {
		text = fmt.Sprintf("%s: step %d of %d", j.Run, j.Step, j.Of)
	}
	if j.Left > 0 {
		text += ", " + ago(j.Left) + " left"
	}
	return text
}

// printable keeps what others have written from moving on the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
