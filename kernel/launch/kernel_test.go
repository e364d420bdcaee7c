package launch_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hhrlhf/kernel/launch"
	. "hhrlhf/kernel/proxy/proxytest"
)

// TestProtocol asks one kernel for everything that leaves it as it is.
func TestProtocol(t *testing.T) {
	k := start(t)

	t.Run("kernel_info", func(t *testing.T) {
		for ch, name := range map[Channel]string{Shell: "shell", Control: "control"} {
			info := k.Ask(ch, "kernel_info_request", map[string]any{}, "kernel_info_reply")
			lang, _ := info["language_info"].(map[string]any)
			for field, want := range map[string]any{"name": "go", "file_extension": ".go", "codemirror_mode": "go",
				"pygments_lexer": "go", "nbconvert_exporter": "script", "mimetype": "text/x-go"} {
				if lang[field] != want {
					t.Errorf("%s: language_info.%s = %v, want %v", name, field, lang[field], want)
				}
			}
			if info["implementation"] != "rlhf-gonb" || info["implementation_version"] != "test" || lang["version"] == nil {
				t.Errorf("%s: kernel_info = %v", name, info)
			}
		}
		// JupyterLab counts only statuses of requests that it tracks.
		if s := k.Statuses("history_request"); !slices.Contains(s, "idle") {
			t.Errorf("statuses with a tracked parent = %q, want an idle one", s)
		}
	})
	t.Run("each subscriber is welcomed", func(t *testing.T) {
		if !k.Welcomed(10*time.Second) || !Dial(t, k.file).Welcomed(10*time.Second) {
			t.Error("no iopub_welcome")
		}
	})
	t.Run("execute", func(t *testing.T) {
		r := k.Run("import (\"fmt\"; \"os\")\n%%\nfmt.Println(\"out\")\nfmt.Fprintln(os.Stderr, \"err\")")
		if r.Status != "ok" || r.Stdout != "out\n" || r.Stderr != "err\n" || r.Reply["execution_count"] != 1.0 {
			t.Errorf("got %+v", r)
		}
		if first, last := r.Types[0], r.Types[len(r.Types)-1]; first != "status" || last != "status" {
			t.Errorf("messages %q, want status first and last", r.Types)
		}
	})
	t.Run("panic", func(t *testing.T) {
		r := k.Run("%%\nfmt.Println(\"before\")\npanic(\"boom\")")
		if r.Status != "error" || r.Error["ename"] != "panic" || r.Error["evalue"] != "boom" || r.Stderr != "" || r.Stdout != "before\n" {
			t.Errorf("got %+v", r)
		}
		trace := texts(r.Error["traceback"])
		if len(trace) != 2 || trace[0] != "Line 3: panic: boom" || !strings.Contains(trace[1], "goroutine 1 [running]") {
			t.Errorf("traceback %q", trace)
		}
		if diff := cmp.Diff(r.Error["traceback"], r.Reply["traceback"]); diff != "" {
			t.Errorf("the reply has another traceback than the message (-message +reply):\n%s", diff)
		}
	})
	t.Run("compile error", func(t *testing.T) {
		r := k.Run("%%\nvar x int = \"one\"")
		if r.Status != "error" || !strings.Contains(fmt.Sprint(r.Error["traceback"]), "cannot use") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("shell line keeps the cell ok", func(t *testing.T) {
		if r := k.Run("!exit 3"); r.Status != "ok" || !strings.Contains(r.Stderr, "exit status 3") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("go test cell", func(t *testing.T) {
		r := k.Run("import \"testing\"\nfunc TestOne(t *testing.T) { t.Log(\"ran\") }\n%test -test.v")
		if r.Status != "ok" || !strings.Contains(r.Stdout, "PASS") {
			t.Errorf("got %+v", r)
		}
		k.Run("%rm TestOne")
	})
	t.Run("repository import and gonbui without go get", func(t *testing.T) {
		r := k.Run("import (\"hhrlhf/rlhf\"; \"github.com/janpfeifer/gonb/gonbui\")\n%%\n" +
			"gonbui.DisplayMarkdown(rlhf.Human)\ngonbui.Sync()")
		if r.Status != "ok" || len(r.Display) != 1 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("missing fields do not end gonb", func(t *testing.T) {
		r := k.Result(k.Send(Shell, "execute_request", map[string]any{"code": "%%\nfmt.Print(1)"}), time.Minute)
		if r.Status != "ok" || r.Stdout != "1" {
			t.Errorf("code alone: %+v", r)
		}
		r = k.Result(k.Send(Shell, "execute_request", map[string]any{"code": 5}), time.Minute)
		if r.Status != "error" {
			t.Errorf("code of a wrong type: %+v", r)
		}
		k.Ask(Shell, "inspect_request", map[string]any{"code": "fmt"}, "inspect_reply")
	})
	t.Run("is_complete", func(t *testing.T) {
		for code, want := range map[string]string{"x := 1": "complete", "func f() {": "incomplete", "}": "invalid"} {
			got := k.Ask(Shell, "is_complete_request", map[string]any{"code": code}, "is_complete_reply")
			if got["status"] != want {
				t.Errorf("%q: %v, want %s", code, got, want)
			}
		}
	})
	t.Run("comm_info", func(t *testing.T) {
		got := k.Ask(Shell, "comm_info_request", map[string]any{}, "comm_info_reply")
		if comms, ok := got["comms"].(map[string]any); got["status"] != "ok" || !ok || len(comms) != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("history", func(t *testing.T) {
		k.Run("%%\nfmt.Print(\"needle\")")
		for _, q := range []map[string]any{
			{"hist_access_type": "tail", "n": 1},
			{"hist_access_type": "search", "pattern": "*needle*", "n": 1},
		} {
			got := k.Ask(Shell, "history_request", q, "history_reply")
			h, _ := got["history"].([]any)
			if len(h) != 1 || !strings.Contains(fmt.Sprint(h[0]), "needle") {
				t.Errorf("%v: %v", q, got)
			}
		}
	})
	t.Run("UTF-8 across pieces of output", func(t *testing.T) {
		// An odd byte first, so that 3-byte runes lie across every power of two.
		for _, print := range []string{
			"fmt.Print(\"a\" + strings.Repeat(\"\u8a9e\", 40000))",
			"w := bufio.NewWriter(os.Stdout); fmt.Fprint(w, \"a\"); for range 40000 { fmt.Fprint(w, \"\u8a9e\") }; w.Flush()",
			"fmt.Print(\"a\"); b := []byte(strings.Repeat(\"\u8a9e\", 40000)); for len(b) > 0 { n := min(1000, len(b)); os.Stdout.Write(b[:n]); b = b[n:] }",
		} {
			r := k.Run("import (\"strings\"; \"os\"; \"bufio\")\n%%\n" + print)
			if want := "a" + strings.Repeat("\u8a9e", 40000); r.Stdout != want {
				t.Errorf("%s: %d bytes with %d U+FFFD, want %d with none", print, len(r.Stdout), strings.Count(r.Stdout, "\ufffd"), len(want))
			}
		}
		if r := k.Run("%%\nos.Stdout.Write([]byte{'x', 0xe8, 0xaa})"); !strings.HasPrefix(r.Stdout, "x") || r.Status != "ok" {
			t.Errorf("half a rune at the end: %+v", r)
		}
	})
	t.Run("much output", func(t *testing.T) {
		r := k.Run("%%\nfor i := range 100000 { fmt.Println(i) }")
		if n := strings.Count(r.Stdout, "\n"); n != 100000 {
			t.Errorf("%d lines, want 100000", n)
		}
	})
	t.Run("stdin", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("import \"github.com/janpfeifer/gonb/gonbui\"\n%%\n"+
			"gonbui.RequestInput(\"which? \", false)\nvar s string\nfmt.Scanln(&s)\nfmt.Println(\"got\", s)"))
		q, prompt := k.Question(time.Minute)
		if prompt != "which? " {
			t.Errorf("prompt %q", prompt)
		}
		k.Answer(q, "B")
		if r := k.Result(id, time.Minute); r.Status != "ok" || r.Stdout != "got B\n" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("stdin not allowed", func(t *testing.T) {
		cell := Cell("import \"github.com/janpfeifer/gonb/gonbui\"\n%%\n" +
			"gonbui.RequestInput(\"which? \", false)\nvar s string\nfmt.Scanln(&s)")
		cell["allow_stdin"] = false
		r := k.Result(k.Send(Shell, "execute_request", cell), time.Minute)
		if r.Status != "error" || !strings.Contains(r.Stderr, "allow_stdin") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("heartbeat", func(t *testing.T) {
		if !k.Beat(2 * time.Second) {
			t.Error("no heartbeat")
		}
	})
	t.Run("wrong signature", func(t *testing.T) {
		m, err := (k.Key + "x").New(k.Session, "kernel_info_request", nil, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		k.SendMessage(Shell, m)
		if _, _, ok := k.Reply(Shell, m.Header.ID, 300*time.Millisecond); ok {
			t.Error("a message signed with another key was answered")
		}
		k.Ask(Shell, "comm_info_request", map[string]any{}, "comm_info_reply")
	})
	t.Run("completion while a cell runs", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("!echo on; sleep 2"))
		k.WaitOutput(id, "on", time.Minute)
		began := time.Now()
		k.Ask(Shell, "complete_request", map[string]any{"code": "%%\nfmt.Pri", "cursor_pos": 10}, "complete_reply")
		k.Ask(Control, "kernel_info_request", map[string]any{}, "kernel_info_reply")
		if d := time.Since(began); d > time.Second {
			t.Errorf("answered after %v", d)
		}
		k.Result(id, time.Minute)
	})
	t.Run("shutdown", func(t *testing.T) {
		k.Run("!(sleep 1000 >/dev/null 2>&1 &)")
		if k.find("sleep 1000") == 0 {
			t.Fatal("the cell's background process is not there")
		}
		got := k.Ask(Control, "shutdown_request", map[string]any{"restart": false}, "shutdown_reply")
		if got["status"] != "ok" || got["restart"] != false {
			t.Errorf("got %v", got)
		}
		if err := k.gone(10 * time.Second); err != nil {
			t.Errorf("launcher ended with %v", err)
		}
	})
}

// texts are the strings of a list in a message.
func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, e := range list {
		out = append(out, fmt.Sprint(e))
	}
	return out
}

// TestRunAll sends all cells at once, as Run All does.
func TestRunAll(t *testing.T) {
	k := start(t)
	send := func(stop bool) []Result {
		codes := []string{"%%\nprintln(1)", "%%\npanic(2)", "%%\nprintln(3)", "%%\nprintln(4)"}
		var ids []string
		for _, code := range codes {
			cell := Cell(code)
			cell["stop_on_error"] = stop
			ids = append(ids, k.Send(Shell, "execute_request", cell))
		}
		var rs []Result
		for _, id := range ids {
			rs = append(rs, k.Result(id, time.Minute))
		}
		return rs
	}
	statuses := func(rs []Result) (s []string) {
		for _, r := range rs {
			s = append(s, r.Status)
		}
		return s
	}
	if got, want := statuses(send(true)), []string{"ok", "error", "aborted", "aborted"}; !slices.Equal(got, want) {
		t.Errorf("statuses %q, want %q", got, want)
	}
	if got, want := statuses(send(false)), []string{"ok", "error", "ok", "ok"}; !slices.Equal(got, want) {
		t.Errorf("stop_on_error false: statuses %q, want %q", got, want)
	}
	if r := k.Run("%%\nprintln(5)"); r.Status != "ok" {
		t.Errorf("after the abort: %+v", r)
	}
}

// TestInterrupt interrupts what stock gonb does and what it does not.
func TestInterrupt(t *testing.T) {
	k := start(t)
	cases := []struct {
		name, code, started string
		status              string
		stderr              string
		never               string // must not be in the output
		within              time.Duration
	}{
		{"endless loop", "import \"time\"\n%%\nprintln(\"on\")\nfor { time.Sleep(time.Millisecond) }", "on", "error", "signal: interrupt", "", 2 * time.Second},
		{"busy loop", "%%\nprintln(\"on\")\nfor {}", "on", "error", "signal: interrupt", "", 2 * time.Second},
		{"shell line", "!echo on; sleep 30", "on", "ok", "signal: interrupt", "", 2 * time.Second},
		{"all shell lines and the Go code", "!echo on; sleep 30; echo A\n!sleep 30; echo B\n%%\nprintln(\"C\")", "on", "ok", "", "A B C", 2 * time.Second},
		{"grandchildren", "!echo on; (sleep 31; echo A) | cat", "on", "ok", "", "A", 2 * time.Second},
		{"handled once", "import (\"fmt\"; \"os\"; \"os/signal\"; \"time\")\n%%\nc := make(chan os.Signal, 9)\nsignal.Notify(c, os.Interrupt)\n" +
			"println(\"on\")\n<-c\ntime.Sleep(300 * time.Millisecond)\nfmt.Println(\"signals\", 1+len(c))", "on", "ok", "", "", 2 * time.Second},
		{"ignored", "import (\"os\"; \"os/signal\"; \"time\")\n%%\nsignal.Ignore(os.Interrupt)\nprintln(\"on\")\ntime.Sleep(time.Minute)", "on", "error", "signal: killed", "", 8 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := k.Send(Shell, "execute_request", Cell(c.code))
			next := k.Send(Shell, "execute_request", Cell("%%\nprintln(\"next\")"))
			k.WaitOutput(id, c.started, time.Minute)
			if strings.Contains(c.code, "sleep 3") { // the shell has spoken before it starts what is to be interrupted
				asleep := func(process string) bool {
					return strings.Contains(process, " sleep 3") && !strings.Contains(process, "echo")
				}
				for end := time.Now().Add(time.Minute); !slices.ContainsFunc(k.family(), asleep) && time.Now().Before(end); {
					time.Sleep(10 * time.Millisecond)
				}
			}
			k.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
			r := k.Result(id, time.Minute)
			if r.Status != c.status || !strings.Contains(r.Stderr, c.stderr) || r.Took > c.within {
				t.Errorf("took %v: %+v", r.Took, r)
			}
			for _, word := range strings.Fields(c.never) {
				if slices.Contains(strings.Fields(r.Stdout+" "+r.Stderr), word) {
					t.Errorf("%s was printed: %+v", word, r)
				}
			}
			if c.name == "handled once" && r.Stdout != "signals 1\n" {
				t.Errorf("got %q", r.Stdout)
			}
			if n := k.Result(next, time.Minute); n.Status != "aborted" {
				t.Errorf("queued cell: %+v\nafter %+v", n, r)
			}
			if pid := k.find("sleep 3"); pid != 0 {
				t.Errorf("a sleep (%d) is left", pid)
			}
		})
	}
	if r := k.Run("%%\nprintln(\"after\")"); r.Status != "ok" {
		t.Errorf("after the interrupts: %+v", r)
	}
}

// TestGonbKilled kills gonb in a cell and between two.
func TestGonbKilled(t *testing.T) {
	k := start(t)
	id := k.Send(Shell, "execute_request", Cell("!echo on; sleep 1000"))
	next := k.Send(Shell, "execute_request", Cell("%%\nprintln(1)"))
	k.WaitOutput(id, "on", time.Minute)
	kill := func() {
		t.Helper()
		pid := k.find("--kernel")
		if pid == 0 {
			t.Fatal("no gonb")
		}
		unix.Kill(pid, unix.SIGKILL)
	}
	engine := k.find("engine ")
	kill()
	if r := k.Result(id, time.Minute); r.Status != "error" || r.Error["ename"] != "KernelDied" || !strings.Contains(fmt.Sprint(r.Error), "killed") {
		t.Errorf("running cell: %+v", r)
	}
	if r := k.Result(next, time.Minute); r.Status != "aborted" {
		t.Errorf("queued cell: %+v", r)
	}
	if r := k.Run("%%\nprintln(2)"); r.Status != "ok" || strings.Contains(r.Stderr, "ended") {
		t.Errorf("after the restart: %+v", r)
	}
	if k.find("sleep 1000") != 0 {
		t.Error("the dead gonb's shell line still runs")
	}
	kill()
	if k.Beat(30 * time.Millisecond) {
		t.Error("the heart beats without gonb")
	}
	if r := k.Run("%%\nprintln(3)"); r.Status != "ok" || !strings.Contains(r.Stderr, "ended between two cells") {
		t.Errorf("cell after a death between cells: %+v", r)
	}
	if !k.Beat(2 * time.Second) {
		t.Error("no heartbeat after the restart")
	}
	if now := k.find("engine "); now != engine {
		t.Errorf("engine %d became %d when gonb died", engine, now)
	}
	gonb := k.find("--kernel")
	unix.Kill(gonb, unix.SIGSTOP)
	for !stopped(gonb) { // its threads run on until one of them sees the signal
		time.Sleep(time.Millisecond)
	}
	if k.Beat(500 * time.Millisecond) {
		t.Error("the heart beats while gonb is stopped")
	}
}

// stopped reports whether a process is stopped, or gone.
func stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(rest, "T")
}

// TestEngine kills the engine, which comes back; a restart gives another one.
func TestEngine(t *testing.T) {
	ask := "import (\"fmt\"; \"io\"; \"net\"; \"os\")\n%%\n" +
		"c, err := net.Dial(\"unix\", os.Getenv(\"RLHF_ENGINE_SOCK\"))\nif err != nil { panic(err) }\nb, _ := io.ReadAll(c)\nfmt.Print(string(b))"
	k := start(t)
	pid := func() string {
		t.Helper()
		var r Result
		for range 20 {
			if r = k.Run(ask); r.Status == "ok" {
				return strings.TrimSpace(r.Stdout)
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("no engine: %+v", r)
		return ""
	}
	first := pid()
	unix.Kill(k.find("engine "), unix.SIGKILL)
	if second := pid(); second == first {
		t.Error("the killed engine answers")
	}
	if r := k.Run("!cat $RLHF_ENGINE_LOG"); strings.Count(r.Stdout, "engine ready") != 2 || !strings.Contains(r.Stdout, "signal: killed") {
		t.Errorf("log: %+v", r)
	}
	log := strings.TrimSpace(k.Run("!echo $RLHF_ENGINE_LOG").Stdout)
	k.Ask(Control, "shutdown_request", map[string]any{"restart": true}, "shutdown_reply")
	if err := k.gone(10 * time.Second); err != nil {
		t.Errorf("launcher ended with %v", err)
	}
	if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), "engine stopped in order") {
		t.Errorf("engine's log after the shutdown: %v\n%s", err, b)
	}
}

// TestForeignEngine uses an engine that is not the kernel's.
func TestForeignEngine(t *testing.T) {
	k := start(t, func(o *launch.Options) { o.Env = []string{launch.EnvSocket + "=/elsewhere.sock"} })
	if r := k.Run("!echo $RLHF_ENGINE_SOCK"); r.Stdout != "/elsewhere.sock\n" {
		t.Errorf("got %+v", r)
	}
	if k.find("engine ") != 0 {
		t.Error("an engine was started although another one is named")
	}
}

// TestEnds ends the launcher in every way that is no shutdown_request.
func TestEnds(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			k := start(t)
			k.Run("!(setsid sleep 1000 >/dev/null 2>&1 &)")
			id := k.Send(Shell, "execute_request", Cell("%%\nprintln(\"on\")\nselect { case <-make(chan int): }"))
			k.WaitOutput(id, "on", time.Minute)
			// Jupyter signals the process group.
			unix.Kill(-k.cmd.Process.Pid, sig)
			err := k.gone(10 * time.Second)
			if (err != nil) != (sig == unix.SIGKILL) {
				t.Errorf("launcher ended with %v", err)
			}
		})
	}
}
