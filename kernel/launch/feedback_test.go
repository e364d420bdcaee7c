package launch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/launch"
	. "hhrlhf/kernel/proxy/proxytest"
)

// TestFeedback asks from real cells and presses the buttons as a browser does.
func TestFeedback(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "votes.jsonl")
	k := start(t, func(o *launch.Options) { o.Env = append(o.Env, "RLHF_LABELLER=ana", "RLHF_FEEDBACK=") })
	k.Run(fmt.Sprintf("import (\"fmt\"; \"hhrlhf/kernel/feedback\"; \"hhrlhf/kernel/lab\")\nvar fb = feedback.Open(%q, feedback.Options{})", log))

	t.Run("the cell waits for the vote", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("%%\nfmt.Println(lab.Must(fb.Ask(feedback.Question{ID: \"q1\", Prompt: \"What is 2+2?\", A: \"four\", B: \"five\"})))"))
		k.Click(k.Button("A clearly", time.Minute))
		r := k.Result(id, time.Minute)
		if r.Status != "ok" || r.Stdout != "A is clearly better\n" {
			t.Errorf("got %+v", r)
		}
		if b, _ := os.ReadFile(log); !strings.Contains(string(b), `"vote":{"question":"q1","labeller":"ana","pick":"a","strength":3,"by":"widget"}`) {
			t.Errorf("the log has %s", b)
		}
	})
	t.Run("a vote after the end of the cell", func(t *testing.T) {
		r := k.Run("%%\nlab.Check(fb.Show(feedback.Question{ID: \"q2\", Prompt: \"Hi\", A: \"x\", B: \"y\"}))")
		if r.Status != "ok" {
			t.Fatalf("got %+v", r)
		}
		k.Click(k.Button("B much", time.Minute))
		got, _ := k.Published("update_display_data", time.Minute, func(c map[string]any) bool { return strings.Contains(fmt.Sprint(c["data"]), "question q2") })
		if got == nil {
			t.Fatal("no line is left in the notebook")
		}
		if r := k.Run("%%\nfmt.Println(lab.Must(fb.Ask(feedback.Question{ID: \"q2\", Prompt: \"Hi\", A: \"x\", B: \"y\"})))"); r.Stdout != "B is much better\n" {
			t.Errorf("asked again: %+v", r)
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		cell := Cell("%%\nfmt.Println(fb.Ask(feedback.Question{ID: \"q3\", Prompt: \"Hi\", A: \"x\", B: \"y\"}))")
		cell["allow_stdin"] = false
		r := k.Result(k.Send(Shell, "execute_request", cell), time.Minute)
		if !strings.Contains(r.Stdout, "nobody is there") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("as text", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell(fmt.Sprintf("%%%%\nin := feedback.Open(%q, feedback.Options{How: feedback.Input})\n"+
			"fmt.Println(lab.Must(in.Ask(feedback.Question{ID: \"q4\", Prompt: \"Hi\", A: \"x\", B: \"y\"})))", log)))
		for _, line := range []string{"nine", "b why, z!", "7"} {
			q, _ := k.Question(time.Minute)
			k.Answer(q, line)
		}
		r := k.Result(id, time.Minute)
		if r.Status != "ok" || !strings.HasSuffix(r.Stdout, "B is clearly better\n") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a front-end without widgets", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("%%\nfmt.Println(lab.Must(fb.Ask(feedback.Question{ID: \"q5\", Prompt: \"Hi\", A: \"x\", B: \"y\"})))"))
		b := k.Button("A much", time.Minute)
		k.Send(Shell, "comm_close", map[string]any{"comm_id": b.ID, "data": map[string]any{}})
		q, _ := k.Question(time.Minute)
		k.Answer(q, "1")
		if r := k.Result(id, time.Minute); r.Status != "ok" || !strings.HasSuffix(r.Stdout, "A is much better\n") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("an interrupted cell leaves its buttons", func(t *testing.T) {
		ask := "%%\nfmt.Println(lab.Must(fb.Ask(feedback.Question{ID: \"q6\", Prompt: \"Hi\", A: \"x\", B: \"y\"})))"
		id := k.Send(Shell, "execute_request", Cell(ask))
		b := k.Button("B hardly", time.Minute)
		k.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
		if r := k.Result(id, time.Minute); r.Status != "error" {
			t.Errorf("interrupted: %+v", r)
		}
		k.Click(b)
		if r := k.Run(ask); r.Stdout != "B is hardly better, about the same\n" {
			t.Errorf("run again: %+v", r)
		}
	})
	t.Run("a conversation with a function of the cell", func(t *testing.T) {
		id := k.Send(Shell, "execute_request", Cell("import \"hhrlhf/rlhf\"\n%%\n"+
			"echo := feedback.PolicyFunc(func(p string, n int) (string, error) { return fmt.Sprint(\" answer \", n), nil })\n"+
			"d := lab.Must(fb.Talk(feedback.Conversation{Turns: 1}, rlhf.Sampling{}, echo))\nfmt.Println(len(d.Answers), d.Rating.Answers[\"quality\"])"))
		area := k.WaitModel("a field", time.Minute, func(m *Model) bool {
			return m.State["_model_name"] == "TextareaModel" && m.State["placeholder"] == "What do you say to the assistant?"
		})
		k.Comm(area.ID, map[string]any{"method": "update", "state": map[string]any{"value": "Hello"}, "buffer_paths": []string{}})
		k.Click(k.Button("Send", time.Minute))
		k.Click(k.Button("A slightly", time.Minute))
		row := k.WaitModel("the rating", time.Minute, func(m *Model) bool { return m.State["_model_name"] == "ToggleButtonsModel" })
		k.Comm(row.ID, map[string]any{"method": "update", "state": map[string]any{"index": 4}, "buffer_paths": []string{}})
		k.Click(k.Button("Send", time.Minute))
		if r := k.Result(id, time.Minute); r.Status != "ok" || r.Stdout != "1 5\n" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a restart of the kernel", func(t *testing.T) {
		again := start(t)
		r := again.Run(fmt.Sprintf("import (\"fmt\"; \"hhrlhf/kernel/feedback\"; \"hhrlhf/kernel/lab\")\n%%%%\n"+
			"fb := feedback.Open(%q, feedback.Options{Labeller: \"ana\"})\nfmt.Println(lab.Must(fb.Ask(feedback.Question{ID: \"q1\", Prompt: \"What is 2+2?\", A: \"four\", B: \"five\"})))\n"+
			"fmt.Println(lab.Must(fb.Export(%q)))", log, filepath.Join(dir, "out")))
		if r.Status != "ok" || !strings.HasPrefix(r.Stdout, "A is clearly better\n5 comparisons") {
			t.Errorf("got %+v", r)
		}
	})
}
