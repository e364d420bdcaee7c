package launch_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/proxy/proxytest"
)

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	good := proxytest.WriteConnection(t, dir)
	broken := filepath.Join(dir, "broken.json")
	noPort := filepath.Join(dir, "noport.json")
	for path, text := range map[string]string{broken: "{", noPort: `{"transport":"tcp","ip":"127.0.0.1"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	for _, c := range []struct {
		name, want string
		o          launch.Options
		tmp        string
	}{
		{"no connection file", "missing.json", launch.Options{ConnectionFile: filepath.Join(dir, "missing.json")}, dir},
		{"broken connection file", "broken.json", launch.Options{ConnectionFile: broken}, dir},
		{"no port", "shell_port = 0", launch.Options{ConnectionFile: noPort}, dir},
		{"no module", "go.mod", launch.Options{ConnectionFile: good, Repo: dir}, dir},
		{"long TMPDIR", "set TMPDIR to a shorter folder", launch.Options{ConnectionFile: good}, filepath.Join(dir, strings.Repeat("long", 30))},
		{"no gonb", "no/gonb", launch.Options{ConnectionFile: good, Gonb: "no/gonb"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.tmp == "" {
				c.tmp = shortDir(t)
			}
			t.Setenv("TMPDIR", c.tmp)
			err := launch.Run(context.Background(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "launch: ") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(c.tmp, "rlhf-*")); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}
