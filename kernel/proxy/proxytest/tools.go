package proxytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

var (
	cellTools   = sync.OnceValues(func() (string, error) { return buildTools("tools-") })
	editorTools = sync.OnceValues(func() (string, error) { return buildTools("gopls-", "golang.org/x/tools/gopls") })
)

// Tools returns a folder with gonb and goimports, as go.mod pins them.
func Tools() (string, error) { return cellTools() }

// EditorTools returns a folder with gopls too.
func EditorTools() (string, error) { return editorTools() }

// buildTools builds gonb, goimports and more of go.mod's tools into the user's cache.
func buildTools(name string, more ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/janpfeifer/gonb", "golang.org/x/tools").Output()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "hhrlhf-test", name+strings.Join(strings.Fields(string(version)), "-")+"-"+runtime.Version())
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	args := append([]string{"build", "-o", tmp + "/", "github.com/janpfeifer/gonb", "golang.org/x/tools/cmd/goimports"}, more...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, err := os.Stat(dir); err == nil {
			return dir, nil // another test was faster
		}
		return "", err
	}
	return dir, nil
}
