package setup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf/pjrt"
)

// Env returns base (os.Environ, as a rule) with what a process that runs XLA
// needs: the installed plugin as GOMLX_BACKEND unless the user has chosen one, no
// downloads behind the user's back, the NVIDIA libraries where they are
// installed, and transparent huge pages for the C heap, which make XLA on the
// CPU faster. A GOMLX_BACKEND that is set but empty is an error, because GoMLX
// would take its slow pure-Go backend for it without a word.
func Env(d Dirs, base []string) ([]string, error) {
	env := newEnviron(base)
	switch v, set := env.get("GOMLX_BACKEND"); {
	case set && v == "":
		return nil, pjrt.ErrEmptyBackend
	case !set:
		env.set("GOMLX_BACKEND", "xla:"+pluginPath(d, chosenBackend(d)))
	}
	env.set("GOMLX_NO_AUTO_INSTALL", "1")
	// So that the short names xla:cpu and xla:cuda find the installed plugins.
	env.prepend("PJRT_PLUGIN_LIBRARY_PATH", d.pjrt())
	if cudaFault(d) == "" {
		env.prepend("PJRT_PLUGIN_LIBRARY_PATH", filepath.Dir(pluginPath(d, CUDA)))
		env.prepend("LD_LIBRARY_PATH", cudaLibs(d)...)
	}
	if v, _ := env.get("GLIBC_TUNABLES"); !strings.Contains(v, "glibc.malloc.hugetlb") {
		env.prepend("GLIBC_TUNABLES", tunables)
	}
	return env.list, nil
}

// tunables make the C library keep the memory that XLA takes and gives back in
// every execution, in huge pages: a training step then loses a fifth less time to
// page faults. Go calls XLA from many threads, whose arenas would each keep their own
// and give back whole heaps whatever the threshold says; one arena for all takes a
// quarter to a third less memory.
const tunables = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.arena_max=1"

// JupyterEnv returns base with Jupyter's folders moved to ours, so that exactly
// one kernelspec is seen, and the tools of Dirs.Bin first on PATH.
func JupyterEnv(d Dirs, base []string) []string {
	env := newEnviron(base)
	env.set("JUPYTER_DATA_DIR", d.Jupyter())
	env.set("JUPYTER_CONFIG_DIR", d.config())
	env.set("JUPYTER_RUNTIME_DIR", filepath.Join(d.Jupyter(), "runtime"))
	env.set("JUPYTERLAB_SETTINGS_DIR", d.settings())
	env.set("JUPYTERLAB_WORKSPACES_DIR", filepath.Join(d.Jupyter(), "lab", "workspaces"))
	env.set("IPYTHONDIR", filepath.Join(d.Jupyter(), "ipython"))
	env.set("JUPYTER_PLATFORM_DIRS", "1")
	for _, name := range []string{"JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} {
		env.unset(name)
	}
	env.prepend("PATH", d.Bin())
	return env.list
}

// environ is an environment in which each name stands once.
type environ struct{ list []string }

func newEnviron(base []string) *environ {
	e := &environ{}
	for _, entry := range base {
		if name, value, ok := strings.Cut(entry, "="); ok {
			e.set(name, value)
		}
	}
	return e
}

func (e *environ) index(name string) int {
	for i, entry := range e.list {
		if strings.HasPrefix(entry, name+"=") {
			return i
		}
	}
	return -1
}

func (e *environ) get(name string) (value string, set bool) {
	if i := e.index(name); i >= 0 {
		return e.list[i][len(name)+1:], true
	}
	return "", false
}

func (e *environ) set(name, value string) {
	entry := name + "=" + value
	if i := e.index(name); i >= 0 {
		e.list[i] = entry
		return
	}
	e.list = append(e.list, entry)
}

func (e *environ) unset(name string) {
	if i := e.index(name); i >= 0 {
		e.list = append(e.list[:i], e.list[i+1:]...)
	}
}

// prepend puts values before a colon-separated list, each once.
func (e *environ) prepend(name string, values ...string) {
	old, _ := e.get(name)
	for _, v := range strings.Split(old, string(os.PathListSeparator)) {
		if v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	e.set(name, strings.Join(values, string(os.PathListSeparator)))
}
