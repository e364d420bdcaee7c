package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/kernel/setup"
)

func TestJupyterProgram(t *testing.T) {
	d := setup.Dirs{Data: t.TempDir()}
	bin := filepath.Dir(d.Python())
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jupyter-nbconvert", "papermill", "python"} {
		if err := os.WriteFile(filepath.Join(bin, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"nbconvert": "jupyter-nbconvert", "papermill": "papermill", "jupyter-nbconvert": "jupyter-nbconvert"} {
		if got, err := jupyterProgram(d, name); err != nil || got != filepath.Join(bin, want) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, name := range []string{"fly", "../bin/papermill", "", "."} {
		if got, err := jupyterProgram(d, name); err == nil || !strings.Contains(err.Error(), "there are nbconvert, papermill") {
			t.Errorf("%q: %s, %v", name, got, err)
		}
	}
}

// What follows the program's name is the program's own, flags that we have too included.
func TestRawArguments(t *testing.T) {
	var got []string
	c := command{name: "x", minimum: 1, maxArgs: -1, raw: true, long: "help of x", bind: func(*flag.FlagSet) func(context.Context, []string) error {
		return func(_ context.Context, args []string) error { got = args; return nil }
	}}
	args := []string{"papermill", "-h", "--to", "html", "--", "-p", "a", "b"}
	if err := c.run(t.Context(), args, &bytes.Buffer{}); err != nil || !slices.Equal(got, args) {
		t.Errorf("%q, %v", got, err)
	}
	var out bytes.Buffer
	if err := c.run(t.Context(), []string{"--help"}, &out); err != nil || !strings.Contains(out.String(), "help of x") {
		t.Errorf("%v, %s", err, out.String())
	}
	if err := c.run(t.Context(), nil, &out); err != errUsage {
		t.Errorf("without arguments: %v", err)
	}
}
