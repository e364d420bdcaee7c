//go:build linux

package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A python is an interpreter and the files without which it does not start.
type python struct {
	Binary string   `json:"binary"`
	Needs  []string `json:"needs"` // files and folders, absolute, none inside another
}

// systemLibraries are where the C libraries and the dynamic loader lie, and its table of them.
var systemLibraries = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"}

// ask is what an interpreter is asked about itself.
const ask = `import json, sys, sysconfig
p = sysconfig.get_paths()
print(json.dumps({"binary": sys.executable, "needs": [p["stdlib"], p["platstdlib"], sysconfig.get_config_var("LIBDIR") or ""]}))`

// interpreter finds python3 once. It is asked by running it, which is safe: it is
// the user's own, and so is this program.
var interpreter = sync.OnceValues(func() (python, error) {
	path, err := exec.LookPath("python3")
	if err != nil {
		return python{}, &Unavailable{Missing: "python3 on PATH", Err: err}
	}
	out, err := exec.Command(path, "-I", "-S", "-c", ask).Output()
	if err != nil {
		return python{}, &Unavailable{Missing: "a python3 that starts", Err: fmt.Errorf("%s: %w", path, err)}
	}
	var p python
	if err := json.Unmarshal(out, &p); err != nil {
		return python{}, fmt.Errorf("sandbox: %s says of itself %.200q: %w", path, out, err)
	}
	if p.Binary, err = filepath.EvalSymlinks(p.Binary); err != nil {
		return python{}, fmt.Errorf("sandbox: %w", err)
	}
	home, _ := os.UserHomeDir()
	all := append(append([]string{p.Binary}, systemLibraries...), p.Needs...)
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) }) // a folder before what lies in it
	p.Needs = nil
	for _, n := range all {
		// An interpreter that was built for the home folder itself must not bring it along.
		if _, err := os.Stat(n); n == "" || err != nil || n == "/" || n == home {
			continue
		}
		if !slices.ContainsFunc(p.Needs, func(have string) bool { return n == have || strings.HasPrefix(n, have+"/") }) {
			p.Needs = append(p.Needs, n)
		}
	}
	return p, nil
})
