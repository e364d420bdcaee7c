package launch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/launch"
	. "hhrlhf/kernel/proxy/proxytest"
)

// TestCells runs what this kernel adds to gonb's cells.
func TestCells(t *testing.T) {
	k := start(t)

	t.Run("last expression", func(t *testing.T) {
		for _, c := range []struct{ name, code, want string }{
			{"constant", "%%\n6 * 7", "42"},
			{"bare cell", "6 * 7", "42"},
			{"variable", "%%\nx := \"日本\"\nx", `"日本"`},
			{"own main", "func main() {\n\tx := 3\n\tx\n}", "3"},
			{"several lines and a comment", "%%\nxs := []int{1, 2}\nappend(xs,\n\t3,\n) // the last", "[1 2 3]"},
			{"error", "import \"errors\"\n%%\nerrors.ErrUnsupported", "✗ unsupported operation"},
			{"lab.Must", "import \"hhrlhf/kernel/lab\"\n%%\nlab.Must(7, error(nil))", "7"},
			{"struct", "type T struct{ Name string; N int }\n%%\nT{\"a\", 2}", "main.T\nName    a\nN       2\n"},
			{"semicolon", "%%\n6 * 7;", ""},
			{"call", "import \"strings\"\n%%\nstrings.ToUpper(\"a\")", ""},
			{"receive", "%%\nc := make(chan int, 1)\nc <- 1\n<-c", ""},
			{"statement", "%%\nx := 1\n_ = x", ""},
		} {
			r := k.Run(c.code)
			got, _ := r.Value["text/plain"].(string)
			if strings.Contains(c.code, "6 * 7;") {
				if r.Status != "error" || r.Value != nil { // Go refuses it, as it always has
					t.Errorf("%s: %+v", c.name, r)
				}
				continue
			}
			if r.Status != "ok" || strings.TrimSpace(got) != strings.TrimSpace(c.want) || len(r.Display) > 0 {
				t.Errorf("%s: value %q, want %q; %+v", c.name, got, c.want, r)
			}
			if c.want != "" && r.Count != r.Reply["execution_count"] {
				t.Errorf("%s: the result counts %v, the reply %v", c.name, r.Count, r.Reply["execution_count"])
			}
		}
		r := k.Run("import \"hhrlhf/rlhf\"\n%%\n[]rlhf.RunInfo{{Name: \"one\"}}")
		if html, _ := r.Value["text/html"].(string); !strings.Contains(html, "<table") || !strings.Contains(html, "one") || len(r.Display) > 0 {
			t.Errorf("runs: %+v", r)
		}
		if _, ok := r.Value["application/vnd.rlhf.result+json"]; ok {
			t.Error("the proxy's own MIME type reached the front-end")
		}
	})
	t.Run("the last expression stays out of later cells", func(t *testing.T) {
		if r := k.Run("%%\nprintln(rlhfValue)"); r.Status != "error" {
			t.Errorf("got %+v", r)
		}
		if r := k.Run("%ls"); strings.Contains(r.Stdout+fmt.Sprint(r.Display), "rlhfValue") {
			t.Errorf("memorised: %+v", r)
		}
	})
	t.Run("%%time", func(t *testing.T) {
		parts := regexp.MustCompile(`^slept\nbuild [\d.]+ m?s \(CPU [\d.]+ m?s\), run ([\d.]+) ms \(CPU [\d.]+ m?s\), [\d.]+ m?s in all\n$`)
		for _, code := range []string{
			"%%time\ntime.Sleep(300*time.Millisecond)\nfmt.Println(\"slept\")",
			"%%time\nfunc nap() { time.Sleep(300*time.Millisecond) }\n%%\nnap()\nfmt.Println(\"slept\")",
		} {
			r := k.Run(code)
			m := parts.FindStringSubmatch(r.Stdout)
			if r.Status != "ok" || m == nil || len(m[1]) < 3 || m[1] < "300" {
				t.Errorf("%q: %+v", code, r)
			}
		}
		if r := k.Run("%%time\n!echo shell"); r.Status != "ok" || !regexp.MustCompile(`^shell\n[\d.]+ m?s in all\n$`).MatchString(r.Stdout) {
			t.Errorf("shell line: %+v", r)
		}
		if r := k.Run("%%time\n%%bash\necho whole"); r.Status != "ok" || !regexp.MustCompile(`^whole\n[\d.]+ m?s in all\n$`).MatchString(r.Stdout) {
			t.Errorf("shell cell: %+v", r)
		}
		if r := k.Run("%%time\npanic(1)"); r.Status != "error" || !strings.Contains(r.Stdout, "in all") {
			t.Errorf("panic: %+v", r)
		}
		if r := k.Run("%%time\n6 * 7"); r.Value["text/plain"] != "42" || !strings.Contains(r.Stdout, "in all") {
			t.Errorf("expression: %+v", r)
		}
	})
	t.Run("%history", func(t *testing.T) {
		k.Run("!echo needle")
		r := k.Run("%history 5 -g needle")
		if r.Status != "ok" || !strings.Contains(r.Stdout, "!echo needle") || strings.Contains(r.Stdout, "rlhf") {
			t.Errorf("got %+v", r)
		}
		if r := k.Run("%history 2"); strings.Count(r.Stdout, "──") != 2 || !strings.Contains(r.Stdout, "%history 5 -g needle") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("%clear", func(t *testing.T) {
		if r := k.Run("%clear -wait\n!echo on"); !slices.Contains(r.Types, "clear_output") || r.Stdout != "on\n" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a wrong command", func(t *testing.T) {
		r := k.Run("!echo ran\n%history all")
		if r.Status != "error" || r.Stdout != "" || !strings.Contains(fmt.Sprint(r.Error["evalue"]), "line 2") || !strings.Contains(fmt.Sprint(r.Error["evalue"]), "want %history") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("documentation", func(t *testing.T) {
		for code, want := range map[string]string{"%doc lab.Must": "func Must[T any]", "strings.ToUpper?": "func ToUpper", "%doc lab.Mast": "no symbol Mast"} {
			r := k.Run(code)
			payload, _ := r.Reply["payload"].([]any)
			if r.Status != "ok" || len(payload) != 1 || !strings.Contains(fmt.Sprint(payload[0]), want) {
				t.Errorf("%s: %+v", code, r)
			}
		}
	})
	t.Run("text that looks like a panic", func(t *testing.T) {
		code := "import (\"fmt\"; \"os\"; \"time\")\n%%\nfmt.Fprintln(os.Stderr, \"so\\npanic: not one\")\n"
		if r := k.Run(code); r.Status != "ok" || r.Stderr != "so\npanic: not one\n" {
			t.Errorf("got %+v", r)
		}
		id := k.Send(Shell, "execute_request", Cell(code+"time.Sleep(time.Minute)"))
		k.WaitOutput(id, "panic: not one", 30*time.Second) // it is not held for ever
		k.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
		k.Result(id, time.Minute)
		r := k.Run("import (\"fmt\"; \"os\")\n%%\nfmt.Fprintln(os.Stderr, \"panic: not one\")\nos.Exit(1)")
		if r.Error["evalue"] != "exit status 1" || r.Stderr == "" {
			t.Errorf("status 1: %+v", r)
		}
	})
	t.Run("panic in a function of an earlier cell", func(t *testing.T) {
		declared := k.Run("func boom() {\n\tpanic(\"far\")\n}")
		r := k.Run("%%\nboom()")
		want := fmt.Sprintf("Cell [%v], line 2: panic: far", declared.Reply["execution_count"])
		if trace := texts(r.Error["traceback"]); len(trace) != 2 || trace[0] != want {
			t.Errorf("traceback %q, want first %q", trace, want)
		}
	})
}

// TestHints compiles common mistakes and reads what is said of them.
func TestHints(t *testing.T) {
	k := start(t)
	k.Run("import (\"hhrlhf/kernel/lab\"; \"fmt\"; \"strconv\")\nvar s = lab.Attach")
	k.Run("%%\ncounter, err := 1, error(nil)\nfmt.Println(counter, err)")
	k.Run("func broken() int { return \"\" }")
	for _, c := range []struct{ code, want string }{
		{"%%\nfmt.Println(1)\nx := 1", "Line 3: x is set and never used, which Go refuses."},
		{"%%\nfmt.Println(counter)", "Line 2: counter was set in cell [2], below %%, and went when that cell ended: every cell is a new process."},
		{"%%\nfmt.Println(broken())", "Line 2: broken is declared in cell [3], which did not compile"},
		{"%%\nfmt.Println(strng)", "Line 2: there is no strng. Is the name right"},
		{"func helper() {}\n%%\nhelpr()", "Line 3: there is no helpr. Did you mean helper?"},
		{"%%\nlab.Attch()", "Line 2: package lab has no Attch. Did you mean lab.Attach?"},
		{"%%\nfmt.Printline(1)", "Line 2: package fmt has no Printline. Did you mean fmt.Print, fmt.Println or fmt.Fprintln?"},
		{"import \"hhrlhf/rlhf\"\nfunc f(r rlhf.PPORun) { r.Rolout() }", "Line 2: PPORun has no Rolout. Did you mean Rollout?"},
		{"import \"hhrlhf/rlhf\"\nfunc f(r rlhf.PPORun) { r.rollout() }", "Line 2: PPORun has no rollout. Did you mean Rollout?"},
		{"%%\nn := strconv.Atoi(\"1\")\nfmt.Println(n)", `Line 2: strconv.Atoi returns two values, as a rule what you want and an error. lab.Must(...)`},
		{"%%\nvar n int = 1 + strconv.Atoi(\"1\")\nfmt.Println(n)", `Line 2: strconv.Atoi("1") returns a value and an error where one value is wanted. lab.Must(strconv.Atoi("1"))`},
		{"fmt.Println(1)\nx := 2", "Line 1: a statement (it begins with fmt) stands outside of a function. Write a line %% above"},
		{"import foo \"strings\"\n%%\nfmt.Println(1)\nvar strings = 2\n", "Line 4: strings is set and never used"},
		{"import \"example.com/nowhere\"\n%%\nnowhere.F()", `package "example.com/nowhere" is in neither Go's library nor this module's requirements.`},
		{"import \"hhrlhf/kernel/lob\"\n%%\nlob.F()", "this module has no package kernel/lob."},
		{"import \"nosuch\"\n%%\nnosuch.F()", `package "nosuch" is in neither Go's library`},
		{"%%\nerr := error(nil)\nerr := error(nil)\nfmt.Println(err)", "Line 3: every name left of := exists already. Write ="},
		{"%%\n6 * 7\nfmt.Println(1)", "Line 2: the value of 6 * 7 is not used. Only a cell's last expression is shown"},
		{"func g() int {\n}", "Line 2: the function promises a value, and can end without return."},
		{"%%\nvar x int = \"one\"\nfmt.Println(x)", "Line 2: cannot use \"one\" (untyped string constant) as int value in variable declaration."},
		{"%%\nmissing.Field", "Line 2: there is no missing."},
	} {
		r := k.Run(c.code)
		trace := texts(r.Error["traceback"])
		if len(trace) < 2 || !strings.Contains(trace[0], c.want) || r.Error["ename"] != "CompileError" {
			t.Errorf("%q:\n got %q\nwant %q\nof %q", c.code, first(trace), c.want, trace)
		}
	}
	if r := k.Run("%%\nfmt.Println(counter+1, undefinedOne, undefinedTwo, undefinedThree, undefinedFour)"); strings.Count(first(texts(r.Error["traceback"])), "\n") != 3 {
		t.Errorf("want three sentences: %q", first(texts(r.Error["traceback"])))
	}
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// TestInterruptCompile interrupts the compiler.
func TestInterruptCompile(t *testing.T) {
	dir := t.TempDir()
	slow, compiling := filepath.Join(dir, "slow"), filepath.Join(dir, "compiling")
	real := lookGo(t)
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = build ] && [ -e %s ]; then touch %s; sleep 301; fi\nexec %s \"$@\"\n", slow, compiling, real)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	k := start(t)
	if r := k.Run("%%\nprintln(1)"); r.Status != "ok" {
		t.Fatalf("got %+v", r)
	}
	if err := os.WriteFile(slow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	id := k.Send(Shell, "execute_request", Cell("%%\nprintln(2)"))
	next := k.Send(Shell, "execute_request", Cell("%%\nprintln(3)"))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(compiling); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the compiler was not started")
		}
	}
	k.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
	if r := k.Result(id, time.Minute); r.Status != "error" || strings.Contains(r.Stderr, "2") || r.Error["evalue"] != "before the cell's program ran" {
		t.Errorf("got %+v", r)
	}
	if r := k.Result(next, time.Minute); r.Status != "aborted" {
		t.Errorf("queued cell: %+v", r)
	}
	if pid := k.find("sleep 301"); pid != 0 {
		t.Errorf("the compiler (%d) is left", pid)
	}
	os.Remove(slow)
	if r := k.Run("%%\nprintln(4)"); r.Status != "ok" || !strings.Contains(r.Stderr, "4") {
		t.Errorf("after the interrupt: %+v", r)
	}
}

// TestHistoryPersists finds the cells of a kernel in the next one.
func TestHistoryPersists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.jsonl")
	keep := func(o *launch.Options) { o.History = file }
	k := start(t, keep)
	k.Run("!echo from the first")
	k.Ask(Control, "shutdown_request", map[string]any{"restart": true}, "shutdown_reply")
	if err := k.gone(10 * time.Second); err != nil {
		t.Errorf("launcher ended with %v", err)
	}
	k = start(t, keep)
	if r := k.Run("%history"); !strings.Contains(r.Stdout, "── 1/1\n!echo from the first\n") {
		t.Errorf("got %+v", r)
	}
	got := k.Ask(Shell, "history_request", map[string]any{"hist_access_type": "range", "session": -1, "start": 1}, "history_reply")
	if h, _ := got["history"].([]any); len(h) != 1 || !strings.Contains(fmt.Sprint(h[0]), "from the first") {
		t.Errorf("the session before: %v", got)
	}
}
