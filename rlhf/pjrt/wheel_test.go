package pjrt_test

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf/pjrt"
)

// makeWheel writes a wheel with one small plugin and returns its description.
func makeWheel(t *testing.T, dir string) pjrt.Wheel {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("xla_plugins/p/p.so")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("a small plugin"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w := pjrt.Wheel{Package: "p", Version: "1", File: "p-1.whl", Inside: "xla_plugins/p/p.so",
		OS: runtime.GOOS, Arch: runtime.GOARCH}
	name := filepath.Join(dir, w.File)
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	w.SHA256, _, err = pjrt.HashFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// fakePython puts a python3 alone on PATH whose "-m pip download" runs the
// given shell lines, with $dest as the folder asked for.
func fakePython(t *testing.T, download string) {
	t.Helper()
	bin := t.TempDir()
	script := `#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
*"pip --version"*) ` + os.Getenv("FAKE_PIP") + ` exit 0;;
*"-m venv"*) mkdir -p "$3/bin"; sed 's/NOPIP/:/' "$0" > "$3/bin/python3"; chmod +x "$3/bin/python3"; exit 0;;
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

func TestWheel(t *testing.T) {
	index := t.TempDir()
	w := makeWheel(t, index)
	for _, c := range []struct {
		name, download, fault string
	}{
		{"served", "cp " + index + "/p-1.whl $dest/", ""},
		{"other bytes served", "echo other > $dest/p-1.whl", "sha256 is "},
		{"pip fails", "echo 'ERROR: no matching distribution' >&2; exit 1", "  | ERROR: no matching distribution"},
		{"pip leaves nothing", ":", "left no p-1.whl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fakePython(t, c.download)
			in := newInstaller(t, w)
			path, err := in.Ensure(t.Context())
			if c.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := os.ReadFile(path); string(got) != "a small plugin" {
					t.Errorf("plugin is %q", got)
				}
				if left, _ := os.ReadDir(in.Cache); len(left) != 0 {
					t.Errorf("the wheel stays in the cache: %v", left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("error %v, want %q in it", err, c.fault)
			}
			if got := names(t, in.Dir); got != "" {
				t.Errorf("folder holds %q", got)
			}
		})
	}
}

func TestWheelFromCacheNeedsNoPython(t *testing.T) {
	in := newInstaller(t)
	os.MkdirAll(in.Cache, 0o755)
	in.Sources = []pjrt.Source{makeWheel(t, in.Cache)}
	t.Setenv("PATH", t.TempDir())
	if _, err := in.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWheelWithoutPythonNamesTheCure(t *testing.T) {
	in := newInstaller(t, makeWheel(t, t.TempDir()))
	t.Setenv("PATH", t.TempDir())
	_, err := in.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "apt install python3") {
		t.Errorf("error %v", err)
	}
}

func TestWheelBorrowsPip(t *testing.T) {
	index := t.TempDir()
	w := makeWheel(t, index)
	t.Setenv("FAKE_PIP", `case NOPIP in NOPIP) exit 1;; esac;`)
	fakePython(t, "cp "+index+"/p-1.whl $dest/")
	in := newInstaller(t, w)
	var out bytes.Buffer
	in.Progress = &out
	if _, err := in.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "borrowing one") {
		t.Errorf("progress %q", out.String())
	}
}

func TestWheelInterrupted(t *testing.T) {
	w := makeWheel(t, t.TempDir())
	fakePython(t, "exec sleep 60")
	in := newInstaller(t, w)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := in.Ensure(ctx); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %v", err)
	}
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("took %v to stop", d)
	}
}

func TestWheelForAnotherPlatform(t *testing.T) {
	w := makeWheel(t, t.TempDir())
	w.Arch = "pdp11"
	_, err := newInstaller(t, w).Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/pdp11, this is ") {
		t.Errorf("error %v", err)
	}
}
