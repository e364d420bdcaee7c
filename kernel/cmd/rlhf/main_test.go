package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDispatch(t *testing.T) {
	for _, c := range []struct {
		args  string
		usage bool   // ends as a misuse
		want  string // on standard error
	}{
		{"", true, "rlhf lab"},
		{"help", false, "Start with:"},
		{"-h", false, "rlhf doctor"},
		{"help run", false, "rlhf run -size tiny"},
		{"run -h", false, "stops at the first failing cell"},
		{"lab -h", false, "--no-browser"},
		{"engine -h", false, "ssh -N -L"},
		{"setup -h", false, "RLHF_HOME"},
		{"fly", true, `there is no command "fly"`},
		{"run", true, "0 arguments, want at least 1"},
		{"kernel a b", true, "2 arguments, want 1"},
		{"lab a b", true, "2 arguments, want 0 to 1"},
		{"setup -frontend x", true, "not defined: -frontend"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out bytes.Buffer
			err := dispatch(t.Context(), strings.Fields(c.args), &out)
			if errors.Is(err, errUsage) != c.usage || !c.usage && err != nil {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(strings.ToLower(out.String()), strings.ToLower(c.want)) {
				t.Errorf("lacks %q:\n%s", c.want, out.String())
			}
		})
	}
}

func TestEveryCommandTeaches(t *testing.T) {
	for _, c := range commands() {
		var out bytes.Buffer
		if err := dispatch(t.Context(), []string{c.name, "-h"}, &out); err != nil {
			t.Errorf("%s -h: %v", c.name, err)
		}
		if !strings.Contains(out.String(), "usage: rlhf "+c.name) || c.short == "" || c.long == "" {
			t.Errorf("%s -h says\n%s", c.name, out.String())
		}
	}
}

func TestRunRefusesBeforeItInstalls(t *testing.T) {
	t.Setenv("RLHF_HOME", filepath.Join(t.TempDir(), "home"))
	dir := t.TempDir()
	notebook := filepath.Join(dir, "n.ipynb")
	if err := os.WriteFile(notebook, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"run -size huge " + notebook:                              `-size "huge", want one of tiny, default, large`,
		"run " + dir + "/none.ipynb":                              "no such file",
		"run -timeout -1s " + notebook:                            "want 0 or more",
		"run -o " + dir + "/o.ipynb " + notebook + " " + notebook: "is not a folder",
	} {
		var out bytes.Buffer
		err := dispatch(t.Context(), strings.Fields(args), &out)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", args, err, want)
		}
	}
	if _, err := os.Stat(os.Getenv("RLHF_HOME")); err == nil {
		t.Error("something was installed")
	}
}

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		out, size, want string
	}{
		{"", "default", "a/n.ipynb"},
		{"", "tiny", ""},
		{"o.ipynb", "tiny", "o.ipynb"},
		{dir, "default", filepath.Join(dir, "n.ipynb")},
	} {
		f := runFlags{out: c.out, size: c.size}
		if got, err := f.target("a/n.ipynb", false); got != c.want || err != nil {
			t.Errorf("-o %q -size %s: %q, %v, want %q", c.out, c.size, got, err, c.want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var k tail
	for range 1000 {
		k.Write([]byte("0123456789012345678\n"))
	}
	k.Write([]byte("the end"))
	if s := k.String(); len(s) != 8<<10 || !strings.HasSuffix(s, "the end") {
		t.Errorf("%d bytes, ending in %q", len(s), s[len(s)-20:])
	}
}
