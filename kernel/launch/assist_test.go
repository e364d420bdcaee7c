package launch_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/launch"
	. "hhrlhf/kernel/proxy/proxytest"
)

func lookGo(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAssist asks for completions and inspections before, while and after cells run.
func TestAssist(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts gopls: not with -short")
	}
	bin, err := EditorTools()
	if err != nil {
		t.Fatal(err)
	}
	k := start(t, func(o *launch.Options) { o.BinDir, o.Warm = bin, 50*time.Millisecond })

	// complete asks at the | in code.
	complete := func(t *testing.T, code string) (matches []string, reply map[string]any, end int) {
		t.Helper()
		before, after, _ := strings.Cut(code, "|")
		end = len([]rune(before))
		reply = k.Ask(Shell, "complete_request", map[string]any{"code": before + after, "cursor_pos": end}, "complete_reply")
		return texts(reply["matches"]), reply, end
	}
	want := func(t *testing.T, code string, want ...string) {
		t.Helper()
		if got, reply, _ := complete(t, code); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q; %v", code, got, want, reply)
		}
	}
	t.Run("before the first cell", func(t *testing.T) {
		want(t, "%%\nfmt.Printl|", "Println")
		want(t, "fmt.Printl|", "Println") // its %% not written yet
		want(t, "import \"hhrlhf/kernel/lab\"\n%%\nlab.Attac|", "Attach")
	})
	t.Run("places count code points", func(t *testing.T) {
		got, reply, end := complete(t, "%%\ns := \"日本𝄞é\"; fmt.Println(s, strings.HasS|)\n// 𝄞")
		if !slices.Equal(got, []string{"HasSuffix"}) || reply["cursor_start"] != float64(end-4) || reply["cursor_end"] != float64(end) {
			t.Errorf("cursor at %d: %v", end, reply)
		}
		meta, _ := reply["metadata"].(map[string]any)
		if s := fmt.Sprint(meta["_jupyter_types_experimental"]); !strings.Contains(s, "type:function") || !strings.Contains(s, "func(s string, suffix string) bool") {
			t.Errorf("metadata %v", meta)
		}
	})
	t.Run("commands", func(t *testing.T) {
		want(t, "%hi|", "%history")
		want(t, "x\n%%ti|")
		want(t, "!l|")
		want(t, "%%bash\nfmt.Printl|")
	})
	if r := k.Run("import st \"strings\"\nfunc rememberedOne(s string) string { return st.ToUpper(s) }\nvar rememberedTwo = rememberedOne(\"a\")"); r.Status != "ok" {
		t.Fatalf("got %+v", r)
	}
	if r := k.Run("%%\nfmt.Println(1)"); r.Status != "ok" { // a cell that uses neither
		t.Fatalf("got %+v", r)
	}
	if r := k.Run("func forgotten() int { return \"\" }"); r.Status != "error" {
		t.Fatalf("got %+v", r)
	}
	t.Run("what earlier cells declare", func(t *testing.T) {
		want(t, "%%\nremembered|", "rememberedOne", "rememberedTwo")
		want(t, "%%\nst.HasS|", "HasSuffix")
		want(t, "%%\nforgott|")
		want(t, "func rememberedOne() {}\n%%\nrememberedO|", "rememberedOne")
	})
	t.Run("while a cell runs", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("import \"time\"\nfunc running() {}\n%%\nprintln(\"on\")\nfor { time.Sleep(time.Millisecond) }"))
		k.WaitOutput(id, "on", time.Minute)
		want(t, "%%\nfmt.Printl|", "Println")
		want(t, "%%\nremembered|", "rememberedOne", "rememberedTwo")
		want(t, "%%\nrunnin|", "running")
		got := k.Ask(Shell, "inspect_request", map[string]any{"code": "%%\nfmt.Println", "cursor_pos": 14, "detail_level": 0}, "inspect_reply")
		if got["found"] != true || !strings.Contains(fmt.Sprint(got["data"]), "func fmt.Println(a ...any)") {
			t.Errorf("inspect: %v", got)
		}
		if r := k.Result(id, 0); r.Status != "" {
			t.Errorf("the cell ended: %+v", r)
		}
		k.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
		if r := k.Result(id, time.Minute); r.Status != "error" {
			t.Errorf("interrupted cell: %+v", r)
		}
	})
	t.Run("inspection", func(t *testing.T) {
		for _, c := range []struct{ code, want string }{
			{"%%\nfmt.Pri|ntln(1)", "Println formats"},
			{"%%\ns := \"日𝄞\"; fmt.Println(s, |)", "Println formats"},
			{"%%\nrememberedOne|", "func rememberedOne(s string) string"},
			{"%%\n|", ""},
		} {
			before, after, _ := strings.Cut(c.code, "|")
			got := k.Ask(Shell, "inspect_request", map[string]any{"code": before + after, "cursor_pos": len([]rune(before)), "detail_level": 0}, "inspect_reply")
			data, _ := got["data"].(map[string]any)
			if got["found"] != (c.want != "") || !strings.Contains(fmt.Sprint(data["text/plain"]), c.want) && c.want != "" {
				t.Errorf("%q: %v", c.code, got)
			}
		}
	})
	t.Run("after the end of gonb and of gopls", func(t *testing.T) {
		gopls := k.find("gopls -listen")
		unix.Kill(k.find("--kernel"), unix.SIGKILL)
		run := func(code string) {
			t.Helper()
			var r Result
			for range 20 { // the first may still go to a dead gonb
				if r = k.Run(code); r.Status == "ok" {
					return
				}
			}
			t.Fatalf("got %+v", r)
		}
		run("func rememberedThree() {}")
		if k.find("gopls -listen") == gopls {
			t.Error("the dead gonb's gopls still runs")
		}
		want(t, "%%\nremembered|", "rememberedThree")
		unix.Kill(k.find("gopls -listen"), unix.SIGKILL)
		complete(t, "%%\nfmt.Printl|") // answered, whatever with
		ids := make([]string, 5)
		for i := range ids {
			ids[i] = k.Send(Shell, "complete_request", map[string]any{"code": "%%\nfmt.Printl", "cursor_pos": 13})
		}
		unix.Kill(k.find("--kernel"), unix.SIGKILL)
		for _, id := range ids {
			if _, _, ok := k.Reply(Shell, id, time.Minute); !ok {
				t.Error("a completion that gonb's end came in the way of has no reply")
			}
		}
		run("%%\nprintln(1)")
	})
}
