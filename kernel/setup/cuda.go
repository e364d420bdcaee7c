package setup

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"hhrlhf/rlhf/pjrt"
)

//go:embed requirements-cuda.txt
var requirementsCUDA string

// cudaPlugin is the plugin's path below Dirs.CUDA. Its name is the one that
// GOMLX_BACKEND=xla:cuda looks for; the wheel's own name stays beside it.
const cudaPlugin = "jax_plugins/xla_cuda13/pjrt_c_api_cuda_plugin.so"

// cudaNeed is the space for 3 GB of wheels in the cache while 5 GB are unpacked.
var cudaNeed int64 = 9 << 30

// cudaPart is XLA for NVIDIA GPUs: the wheels unpacked side by side as pip lays
// them out, since the plugin finds its libraries by their place beside it.
func cudaPart(d Dirs) part {
	return part{
		name:  "cuda",
		need:  cudaNeed,
		ready: func(context.Context) bool { return cudaFault(d) == "" },
		install: func(ctx context.Context, log *pjrt.Progress) (bool, error) {
			if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
				return false, fmt.Errorf("the CUDA plugin is for linux/amd64, this is %s/%s; use -backend cpu", runtime.GOOS, runtime.GOARCH)
			}
			return true, installCUDA(ctx, d, log)
		},
	}
}

func installCUDA(ctx context.Context, d Dirs, log *pjrt.Progress) error {
	if err := claim(d.CUDA()); err != nil {
		return err
	}
	// One by one, so that an interrupt costs one wheel and not all of them.
	wheels := filepath.Join(d.pip(), "wheels")
	packages := splitLocked(requirementsCUDA)
	for i, one := range packages {
		log.Printf("pip download: %s (%d of %d, some 3 GB in all)", firstRequirement(one), i+1, len(packages))
		if err := pip(ctx, log, d, one, "download", "--dest", wheels); err != nil {
			return err
		}
	}
	log.Printf("pip install: unpacking")
	if err := pipInstall(ctx, log, d, requirementsCUDA, "--no-index", "--find-links", wheels, "--target", d.CUDA(), "--no-compile"); err != nil {
		return err
	}
	if err := linkCUDA(d.CUDA()); err != nil {
		return err
	}
	stamp := pjrt.Stamp{Version: firstRequirement(requirementsCUDA), SHA256: digest(requirementsCUDA)}
	if err := stamp.Write(d.CUDA()); err != nil {
		return err
	}
	os.RemoveAll(d.pip())
	log.Printf("done")
	return nil
}

// linkCUDA adds the names that go-xla looks for to what pip laid out: the
// plugin's, the nvidia folder one level below the plugin's parent, and ptxas
// in the bin folder of that, where XLA looks for it.
func linkCUDA(dir string) error {
	for _, l := range []struct{ name, target string }{
		{cudaPlugin, "xla_cuda_plugin.so"},
		{"jax_plugins/nvidia", "../nvidia"},
		{"nvidia/bin/ptxas", "../cu13/bin/ptxas"},
	} {
		name := filepath.Join(dir, filepath.FromSlash(l.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), filepath.FromSlash(l.target))); err != nil {
			return fmt.Errorf("the wheels hold no %s: %w", l.target, err)
		}
		if err := os.Symlink(l.target, name); err != nil {
			return err
		}
	}
	return nil
}

// cudaFault says what is wrong with the CUDA part, "" if nothing is.
func cudaFault(d Dirs) string {
	stamp, err := pjrt.ReadStamp(d.CUDA())
	switch {
	case os.IsNotExist(err):
		return "missing or unfinished"
	case err != nil:
		return err.Error()
	case stamp.SHA256 != digest(requirementsCUDA):
		return "is of another version of requirements-cuda.txt"
	}
	if _, err := os.Stat(pluginPath(d, CUDA)); err != nil {
		return "the plugin is gone"
	}
	for _, dir := range cudaLibs(d) {
		if _, err := os.Stat(dir); err != nil {
			return filepath.Base(filepath.Dir(dir)) + " libraries are gone"
		}
	}
	return ""
}

// cudaLibs are the folders of shared libraries that the plugin opens by name.
func cudaLibs(d Dirs) []string {
	var dirs []string
	for _, name := range []string{"cu13", "cudnn", "nccl", "nvshmem"} {
		dirs = append(dirs, filepath.Join(d.CUDA(), "nvidia", name, "lib"))
	}
	return dirs
}

// splitLocked cuts a locked requirements file into one per package.
func splitLocked(locked string) []string {
	var list []string
	for line := range strings.Lines(locked) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "):
			list[len(list)-1] += line
		default:
			list = append(list, line)
		}
	}
	return list
}

// firstRequirement is "name==version" of the first locked package.
func firstRequirement(locked string) string {
	for line := range strings.Lines(locked) {
		if name, _, found := strings.Cut(line, " "); found && strings.Contains(name, "==") {
			return name
		}
	}
	return ""
}

// nvidiaDevices lists the GPU device files, none without a driver.
func nvidiaDevices() []string {
	devices, _ := filepath.Glob("/dev/nvidia[0-9]*") // the pattern is well-formed
	return devices
}
