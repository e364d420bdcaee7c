package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hhrlhf/rlhf/pjrt"
)

// A Part is one line of [Doctor]'s report.
type Part struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Path    string `json:"path,omitempty"`
	OK      bool   `json:"ok"`
	Fault   string `json:"fault,omitempty"` // what is wrong, in words
	Cure    string `json:"cure,omitempty"`  // what to do about it
}

// A Probe opens the backend that env names in a process of its own and returns
// GoMLX's description of it, the devices included. It is handed to [Doctor] by
// the command, since this package does not link GoMLX.
type Probe func(ctx context.Context, env []string) (description string, err error)

// probeLimit bounds one probe: loading a GPU plugin takes seconds.
const probeLimit = 60 * time.Second

// cureSetup mends whatever setup installs.
const cureSetup = "run: go run ./kernel/cmd/rlhf setup"

// Doctor looks at every part without changing anything or using the network. The
// CUDA parts are listed where they were asked for or something of them is there.
// With a probe the last parts say which backend answers.
func Doctor(ctx context.Context, d Dirs, probe Probe) []Part {
	parts := []Part{goPart(ctx, d), ccPart(ctx, d), pythonPart(ctx), cpuPart(d)}
	parts = append(parts, toolParts(ctx, d)...)
	parts = append(parts, venvParts(ctx, d)...)
	parts = append(parts, rlhfPart(d), specPart(d))
	parts = append(parts, modelParts(d)...)
	if _, err := os.Stat(d.CUDA()); err == nil || chosenBackend(d) == CUDA {
		parts = append(parts, cudaParts(d)...)
	}
	return append(parts, backendPart(ctx, d, probe))
}

// Healthy reports whether every part is fine.
func Healthy(parts []Part) bool {
	for _, p := range parts {
		if !p.OK {
			return false
		}
	}
	return true
}

// judged completes a part: fine without a fault, else with the cure.
func judged(p Part, fault, cure string) Part {
	if fault == "" {
		p.OK = true
		return p
	}
	p.Fault, p.Cure = fault, cure
	return p
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func goPart(ctx context.Context, d Dirs) Part {
	version, err := checkGo(ctx, d)
	path, _ := exec.LookPath("go")
	return judged(Part{Name: "go", Version: version, Path: path}, text(err), "install Go 1.26.5 or newer and put it on PATH")
}

func ccPart(ctx context.Context, d Dirs) Part {
	path, err := checkCC(ctx, d)
	return judged(Part{Name: "C compiler", Path: path}, text(err), "install a C compiler (Debian, Ubuntu: apt install gcc libc6-dev)")
}

func pythonPart(ctx context.Context) Part {
	path, version, err := findPython(ctx)
	return judged(Part{Name: "python", Version: version, Path: path}, text(err), "install Python with venv (Debian, Ubuntu: apt install python3 python3-venv)")
}

// cpuPart reads the whole plugin: a damaged one would end as a crash in XLA.
func cpuPart(d Dirs) Part {
	in := pjrt.Installer{Dir: d.pjrt()}
	path, stamp, ok := in.Find()
	p := Part{Name: "plugin cpu", Version: stamp.Version, Path: path}
	if !ok {
		return judged(p, "missing or unfinished", cureSetup)
	}
	sum, _, err := pjrt.HashFile(path)
	switch {
	case err != nil:
		return judged(p, err.Error(), cureSetup)
	case sum != stamp.SHA256:
		return judged(p, fmt.Sprintf("sha256 is %s, was %s when it was installed", sum, stamp.SHA256),
			"delete "+path+" and "+cureSetup)
	}
	return judged(p, "", "")
}

func toolParts(ctx context.Context, d Dirs) []Part {
	tools, err := readTools(d.Repo)
	if err != nil {
		return []Part{judged(Part{Name: "tools", Path: d.Repo}, err.Error(), "mend the tool and require lines of go.mod")}
	}
	goVersion, _ := goEnv(ctx, d.Repo, "GOVERSION")
	var parts []Part
	for _, t := range tools {
		path := filepath.Join(d.Bin(), t.Name)
		_, version, _, _ := toolVersion(path) // check says what is wrong
		parts = append(parts, judged(Part{Name: t.Name, Version: version, Path: path}, t.check(d.Bin(), goVersion), cureSetup))
	}
	return parts
}

// venvParts asks the environment itself what is installed in it.
func venvParts(ctx context.Context, d Dirs) []Part {
	stamp, _ := pjrt.ReadStamp(d.Venv()) // venvFault reads it again and judges
	parts := []Part{judged(Part{Name: "venv", Version: stamp.Version, Path: d.Venv()}, venvFault(ctx, d), cureSetup)}
	const ask = `import importlib.metadata as m, sys
for n in sys.argv[1:]:
    try: print(m.version(n))
    except m.PackageNotFoundError: print()`
	names := []string{"jupyterlab", "nbclient", "jupyterlab_widgets"}
	out, _ := exec.CommandContext(ctx, d.Python(), append([]string{"-c", ask}, names...)...).Output() // no output: all missing
	lines := strings.Split(string(out), "\n")
	for i, name := range names {
		version, want := "", lockedVersion(requirements, name)
		if i < len(lines) {
			version = lines[i]
		}
		fault := ""
		switch {
		case version == "":
			fault = "missing"
		case version != want:
			fault = "want " + want
		}
		parts = append(parts, judged(Part{Name: name, Version: version, Path: d.Venv()}, fault,
			"delete "+filepath.Join(d.Venv(), "stamp.json")+" and "+cureSetup))
	}
	return parts
}

// lockedVersion finds a package in a locked requirements file.
func lockedVersion(locked, name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	for line := range strings.Lines(locked) {
		if rest, ok := strings.CutPrefix(line, name+"=="); ok {
			version, _, _ := strings.Cut(rest, " ")
			return version
		}
	}
	return ""
}

func rlhfPart(d Dirs) Part {
	pkg, _, built, err := toolVersion(d.Rlhf())
	p := Part{Name: "rlhf", Path: d.Rlhf()}
	switch {
	case os.IsNotExist(err):
		return judged(p, "missing", cureSetup)
	case err != nil:
		return judged(p, err.Error(), cureSetup)
	case pkg != modulePath+"/kernel/cmd/rlhf":
		return judged(p, "is "+pkg, cureSetup)
	}
	p.Version = "built by " + built
	return judged(p, "", "")
}

func specPart(d Dirs) Part {
	return judged(Part{Name: "kernelspec", Version: KernelName, Path: d.Spec()}, kernelFault(d), cureSetup)
}

// cudaParts are the plugin with its libraries and the device. The device is
// looked for by its device file; whether it answers is the backend's part.
func cudaParts(d Dirs) []Part {
	stamp, _ := pjrt.ReadStamp(d.CUDA()) // cudaFault reads it again and judges
	cure := cureSetup + " -backend cuda"
	parts := []Part{judged(Part{Name: "plugin cuda", Version: stamp.Version, Path: pluginPath(d, CUDA)}, cudaFault(d), cure)}
	for line := range strings.Lines(requirementsCUDA) {
		name, version, found := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), " \\"), "==")
		if !found || !strings.HasPrefix(name, "nvidia-") {
			continue
		}
		info := filepath.Join(d.CUDA(), strings.ReplaceAll(name, "-", "_")+"-"+version+".dist-info")
		fault := ""
		if _, err := os.Stat(info); err != nil {
			fault = "missing, want " + version
			version = ""
		}
		parts = append(parts, judged(Part{Name: name, Version: version, Path: d.CUDA()}, fault, cure))
	}
	gpu := Part{Name: "GPU", Path: strings.Join(nvidiaDevices(), " ")}
	fault := ""
	if gpu.Path == "" {
		fault = "no device answers: there is no /dev/nvidia0, so no NVIDIA driver is loaded"
	}
	return append(parts, judged(gpu, fault, "on a host with an NVIDIA GPU install its driver (580 or newer for CUDA 13); "+
		"without one use: rlhf setup -backend cpu"))
}

// backendPart says which backend an engine started now would use.
func backendPart(ctx context.Context, d Dirs, probe Probe) Part {
	p := Part{Name: "backend"}
	env, err := Env(d, os.Environ())
	if err != nil {
		return judged(p, err.Error(), "unset GOMLX_BACKEND")
	}
	list := environ{env}
	config, _ := list.get("GOMLX_BACKEND")
	p.Version = config
	if kind, path, _ := strings.Cut(config, ":"); kind == "xla" && filepath.IsAbs(path) {
		p.Path = path
	}
	cure := "unset GOMLX_BACKEND, or name a backend such as xla:cpu, xla:cuda or go"
	if _, set := os.LookupEnv("GOMLX_BACKEND"); !set {
		cure = cureSetup
		if chosenBackend(d) == CUDA {
			cure = "see the GPU above; to use the CPU: rlhf setup -backend cpu"
		}
		if p.Path != "" {
			if _, err := os.Stat(p.Path); err != nil {
				return judged(p, "its plugin is not installed", cure)
			}
		}
	}
	if probe == nil {
		return judged(p, "", "")
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	description, err := probe(ctx, env)
	if err != nil {
		return judged(p, "no device answers: "+err.Error(), cure)
	}
	p.Version = description
	return judged(p, "", "")
}
