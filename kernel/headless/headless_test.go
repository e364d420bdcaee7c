package headless_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/setup"
)

// fakeWorld is a private environment whose Python prints what lines say, and a
// notebook for it.
func fakeWorld(t *testing.T, lines string) (d setup.Dirs, notebook string) {
	t.Helper()
	root := t.TempDir()
	d = setup.Dirs{Data: root, Cache: root, Repo: root}
	script := "#!/bin/sh\nPATH=/usr/bin:/bin\n" + lines + "\n"
	if err := os.MkdirAll(filepath.Dir(d.Python()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Python(), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	notebook = filepath.Join(root, "n.ipynb")
	if err := os.WriteFile(notebook, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	return d, notebook
}

func TestRunReportsInOrder(t *testing.T) {
	d, notebook := fakeWorld(t, `
echo '{"event":"begin","cells":2}'
echo 'a stray print'
echo '{"event":"cell","cell":1,"source":"x"}'
echo '{"event":"done","cell":1,"seconds":1.5}'
echo "{\"event\":\"end\",\"ok\":true,\"saved\":\"$4 $5 $RLHF_SIZE $JUPYTER_PATH\"}"`)
	t.Setenv("JUPYTER_PATH", "/mine")
	var got []string
	var end headless.Event
	err := headless.Run(t.Context(), notebook, headless.Options{Dirs: d, Out: "/out.ipynb", Size: "tiny",
		Report: func(e headless.Event) { got = append(got, e.Event); end = e }})
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(got, " "); s != "begin cell done end" {
		t.Errorf("events %q", s)
	}
	if want := "/out.ipynb " + setup.KernelName + " tiny "; end.Saved != want {
		t.Errorf("the script was given %q, want %q", end.Saved, want)
	}
}

func TestRunErrors(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		want        []string
	}{
		{"a failing cell", `
printf '%s\n' '{"event":"failed","cell":3,"source":"%%\nboom()","error":"exit status 2","stderr":"panic: boom\nexit status 2\n"}'
echo '{"event":"end"}'; exit 1`, []string{"cell 3 failed", "    boom()", "  | panic: boom"}},
		{"no kernel", `
echo '{"event":"broken","error":"NoSuchKernel: x"}'
echo '{"event":"end"}'; exit 1`, []string{"NoSuchKernel: x"}},
		{"Python dies", `echo '{"event":"begin","cells":2}'; exit 7`, []string{"ended early", "exit status 7"}},
		{"Python stops in the middle", `exit 0`, []string{"ended early"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, notebook := fakeWorld(t, c.lines)
			err := headless.Run(t.Context(), notebook, headless.Options{Dirs: d})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
			if strings.Count(err.Error(), "exit status 2") > 1 {
				t.Errorf("says it twice: %v", err)
			}
			var cell *headless.CellError
			if errors.As(err, &cell) != strings.Contains(c.name, "cell") {
				t.Errorf("%T is not the right kind", err)
			}
		})
	}
}

func TestRunNeedsItsParts(t *testing.T) {
	d, notebook := fakeWorld(t, "")
	if err := headless.Run(t.Context(), filepath.Join(d.Repo, "none.ipynb"), headless.Options{Dirs: d}); err == nil || !strings.Contains(err.Error(), "none.ipynb") {
		t.Errorf("a missing notebook: %v", err)
	}
	os.Remove(d.Python())
	if err := headless.Run(t.Context(), notebook, headless.Options{Dirs: d}); err == nil || !strings.Contains(err.Error(), "rlhf setup") {
		t.Errorf("a missing Python: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	d, notebook := fakeWorld(t, `
trap 'echo "{\"event\":\"interrupted\"}"; echo "{\"event\":\"end\"}"; exit 1' INT
echo '{"event":"begin","cells":1}'
while :; do sleep 0.1; done`)
	why := errors.New("not done after 1s (-timeout)")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
	defer cancel()
	start, saved := time.Now(), false
	err := headless.Run(ctx, notebook, headless.Options{Dirs: d, Report: func(e headless.Event) { saved = saved || e.Event == "end" }})
	if !errors.Is(err, why) || !saved {
		t.Errorf("error %v, saved %v", err, saved)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPrinter(t *testing.T) {
	var out bytes.Buffer
	report := headless.Printer(&out, "tour")
	for _, e := range []headless.Event{{Event: "begin", Cells: 12}, {Event: "ready", Seconds: 0.5}, {Event: "cell", Cell: 1},
		{Event: "done", Cell: 1, Seconds: 2.25}, {Event: "cell", Cell: 2}, {Event: "failed", Cell: 2, Seconds: 1}, {Event: "end", Seconds: 3.5}} {
		report(e)
	}
	want := `tour  kernel ready in 0.5 s
tour  cell  1/12     2.2 s
tour  cell  2/12     1.0 s  FAILED
tour  3.5 s in all, outputs not saved
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
