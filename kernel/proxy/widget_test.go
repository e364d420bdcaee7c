package proxy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/kernel/proxy"
	. "hhrlhf/kernel/proxy/proxytest"
)

const limit = 30 * time.Second

// asking is a cell that asks a question, and the ask.
func asking(t *testing.T, q feedback.Question) (fakeCell, feedback.Ask) {
	t.Helper()
	dir := t.TempDir()
	if q.Mode == "" {
		q.Mode = feedback.Helpful
	}
	q.Prompt = feedback.Prompt(q.Prompt)
	a := feedback.Ask{Log: filepath.Join(dir, "log.jsonl"), Reply: filepath.Join(dir, "reply"), Labeller: "ana", Question: &q}
	return display(t, a), a
}

func display(t *testing.T, a feedback.Ask) fakeCell {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return fakeCell{Display: map[string]any{feedback.MIME: string(b), "text/plain": "a question"}}
}

// logged waits until the log has n lines and returns its state.
func logged(t *testing.T, a feedback.Ask, n int) *feedback.State {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		b, _ := os.ReadFile(a.Log)
		if strings.Count(string(b), "\n") >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log has %q, want %d lines", b, n)
		}
	}
	l, err := feedback.OpenLog(a.Log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func replied(t *testing.T, a feedback.Ask) string {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(a.Reply); err == nil {
			return string(b)
		}
		if time.Now().After(deadline) {
			t.Fatal("the proxy said nothing")
		}
	}
}

// TestWidgetMessages checks every message field by field against the protocol: comm_open of
// target jupyter.widget, metadata version 2.1, state and buffer_paths (jupyter-widgets
// messaging protocol), models and views of the modules' version 2.0.0.
func TestWidgetMessages(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	id := k.Send(Shell, "execute_request", Cell(cell.code()))
	r := k.Result(id, limit)
	if got := replied(t, ask); got != "widget" {
		t.Errorf("the cell was told %q", got)
	}
	if len(r.Display) != 1 {
		t.Fatalf("%d displays, want the widget's: %v", len(r.Display), r.Display)
	}
	data := r.Display[0]["data"].(map[string]any)
	view := data["application/vnd.jupyter.widget-view+json"].(map[string]any)
	if view["version_major"] != 2.0 || view["version_minor"] != 0.0 || !strings.Contains(data["text/plain"].(string), "What?") {
		t.Errorf("display_data %v", data)
	}
	if _, private := data[feedback.MIME]; private {
		t.Error("the private display was passed on")
	}

	models := map[string]map[string]any{}
	opened := 0
	k.Published("comm_open", 0, func(c map[string]any) bool { opened++; return false })
	for range opened {
		var raw *proxy.Message
		c, m := k.Published("comm_open", limit, func(c map[string]any) bool {
			_, seen := models[c["comm_id"].(string)]
			return !seen
		})
		raw = m
		var meta struct{ Version string }
		if err := json.Unmarshal(raw.Frames()[len(raw.Frames())-2], &meta); err != nil || meta.Version != "2.1.0" {
			t.Errorf("metadata %s", raw.Frames()[len(raw.Frames())-2])
		}
		if raw.Parent.ID != id {
			t.Errorf("comm_open answers %s, want the cell %s", raw.Parent.ID, id)
		}
		content := c["data"].(map[string]any)
		if c["target_name"] != "jupyter.widget" || len(c) != 3 || len(content) != 2 {
			t.Errorf("comm_open %v", c)
		}
		if p, ok := content["buffer_paths"].([]any); !ok || len(p) != 0 {
			t.Errorf("buffer_paths %v", content["buffer_paths"])
		}
		s := content["state"].(map[string]any)
		models[c["comm_id"].(string)] = s
		// A model names only models that are open already.
		for field, v := range s {
			for _, ref := range strings.Fields(strings.Trim(fmt.Sprint(v), "[]")) {
				if id, is := strings.CutPrefix(ref, "IPY_MODEL_"); is && models[id] == nil {
					t.Errorf("%s of %s names a model that is not open", field, s["_model_name"])
				}
			}
		}
	}
	modules := map[string][2]string{ // by model: its module and its view's
		"LayoutModel":      {"@jupyter-widgets/base", "@jupyter-widgets/base"},
		"ButtonStyleModel": {"@jupyter-widgets/controls", "@jupyter-widgets/base"},
		// not HTMLStyle and TextStyle, which ipywidgets 7 lacks: VS Code takes that for kernels other than Python's
		"DescriptionStyleModel": {"@jupyter-widgets/controls", "@jupyter-widgets/base"},
		"ButtonModel":           {"@jupyter-widgets/controls", "@jupyter-widgets/controls"},
		"HTMLModel":             {"@jupyter-widgets/controls", "@jupyter-widgets/controls"},
		"TextareaModel":         {"@jupyter-widgets/controls", "@jupyter-widgets/controls"},
		"HBoxModel":             {"@jupyter-widgets/controls", "@jupyter-widgets/controls"},
		"VBoxModel":             {"@jupyter-widgets/controls", "@jupyter-widgets/controls"},
	}
	count := map[string]int{}
	for _, s := range models {
		name, _ := s["_model_name"].(string)
		count[name]++
		want, known := modules[name]
		if !known || s["_model_module"] != want[0] || s["_view_module"] != want[1] ||
			s["_model_module_version"] != "2.0.0" || s["_view_module_version"] != "2.0.0" {
			t.Errorf("model %v", s)
		}
		wantView := strings.TrimSuffix(name, "Model") + "View"
		if strings.HasSuffix(name, "StyleModel") {
			wantView = "StyleView"
		}
		if s["_view_name"] != wantView {
			t.Errorf("%s has the view %v, want %s", name, s["_view_name"], wantView)
		}
	}
	if count["ButtonModel"] != 8+3+1 || count["TextareaModel"] != 1 {
		t.Errorf("models %v, want 8 buttons from A to B, skip, two edits and save", count)
	}
	if models[view["model_id"].(string)]["_model_name"] != "VBoxModel" {
		t.Errorf("the view is of %v", models[view["model_id"].(string)])
	}
	info := k.Ask(Shell, "comm_info_request", map[string]any{"target_name": "jupyter.widget"}, "comm_info_reply")
	if comms := info["comms"].(map[string]any); len(comms) != opened || opened == 0 {
		t.Errorf("comm_info has %d comms, want %d", len(comms), opened)
	}
	if comms := k.Ask(Shell, "comm_info_request", map[string]any{"target_name": "gonb_comm"}, "comm_info_reply")["comms"]; len(comms.(map[string]any)) != 0 {
		t.Errorf("comm_info of gonb's target: %v", comms)
	}
}

// A click while the cell runs, and a second one at once: one vote.
func TestClickWhileACellRuns(t *testing.T) {
	k, g := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	cell.Hold = true
	id := k.Send(Shell, "execute_request", Cell(cell.code()))
	b := k.Button("B slightly", limit)
	first, second := k.Click(b), k.Click(b)
	k.WaitIdle(first, limit)
	k.WaitIdle(second, limit)
	s := logged(t, ask, 2)
	if v, ok := s.Vote("q", "ana"); !ok || v.Pick != feedback.B || v.Strength != 2 || v.By != "widget" {
		t.Errorf("vote %+v, %v", v, ok)
	}
	update, m := k.Published("update_display_data", limit, func(map[string]any) bool { return true })
	data := update["data"].(map[string]any)
	if m.Parent.ID != id || !strings.Contains(data["text/plain"].(string), "B is slightly better") || !strings.Contains(data["text/html"].(string), "B is slightly better") {
		t.Errorf("the line that stays: %v", update)
	}
	shown, _ := k.Published("display_data", limit, func(map[string]any) bool { return true })
	if fmt.Sprint(shown["transient"]) != fmt.Sprint(update["transient"]) {
		t.Errorf("the line replaces %v, want %v", update["transient"], shown["transient"])
	}
	k.WaitModel("ticked button", limit, func(m *Model) bool {
		return m.State["description"] == "B slightly ✓" && m.State["button_style"] == "success" && m.State["disabled"] == true
	})
	k.WaitIdle(k.Click(b), limit) // it is disabled, whatever a front-end may send
	// After each status of a click the cell's busy is said again: it still runs.
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		st := k.Statuses("execute_request")
		if len(st) >= 1+3 && st[len(st)-1] == "busy" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("statuses of the cell %q", st)
		}
	}
	close(g.release)
	if r := k.Result(id, limit); r.Status != "ok" {
		t.Errorf("cell %+v", r)
	}
	if b, _ := os.ReadFile(ask.Log); strings.Count(string(b), `"vote"`) != 1 {
		t.Errorf("the log has %s", b)
	}
}

// After the end of the cell and a reload of the page: the states are there, and a click counts.
func TestReload(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	skip := k.Button("Skip", limit)
	k.Send(Shell, "comm_open", map[string]any{"comm_id": "control", "target_name": "jupyter.widget.control", "data": map[string]any{}})
	k.Comm("control", map[string]any{"method": "request_states"})
	got, _ := k.Published("comm_msg", limit, func(c map[string]any) bool { return c["comm_id"] == "control" })
	if got == nil {
		t.Fatal("no states")
	}
	data := got["data"].(map[string]any)
	states := data["states"].(map[string]any)
	it, _ := states[skip.ID].(map[string]any)
	if data["method"] != "update_states" || data["buffer_paths"] == nil || len(states) != len(k.Models()) ||
		it["model_name"] != "ButtonModel" || it["model_module"] != "@jupyter-widgets/controls" || it["model_module_version"] != "2.0.0" {
		t.Errorf("states: %v", it)
	}
	if s := it["state"].(map[string]any); s["description"] != "Skip" || s["disabled"] != false {
		t.Errorf("state of skip: %v", s)
	}
	k.WaitIdle(k.Send(Shell, "comm_close", map[string]any{"comm_id": "control", "data": map[string]any{}}), limit)
	k.WaitIdle(k.Comm(skip.ID, map[string]any{"method": "request_state"}), limit)
	if n := k.Seen("comm_msg", func(c map[string]any) bool {
		d := c["data"].(map[string]any)
		return c["comm_id"] == skip.ID && d["method"] == "update" && d["state"].(map[string]any)["tooltip"] != nil
	}); n != 1 {
		t.Errorf("%d answers to request_state", n)
	}
	k.Click(skip)
	if v, ok := logged(t, ask, 2).Vote("q", "ana"); !ok || !v.Skip {
		t.Errorf("vote %+v, %v", v, ok)
	}
}

// An edit is recorded before the vote; then the vote.
func TestEdit(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	k.Click(k.Button("Edit B", limit))
	area := k.WaitModel("the field with B", limit, func(m *Model) bool { return m.State["_model_name"] == "TextareaModel" && m.State["value"] == "y" })
	k.Comm(area.ID, map[string]any{"method": "update", "state": map[string]any{"value": "my <b>own</b>"}, "buffer_paths": []string{}})
	k.Click(k.Button("Save the edit", limit))
	if e, ok := logged(t, ask, 2).Edit("q", "ana", feedback.B); !ok || e != "my <b>own</b>" {
		t.Errorf("edit %q, %v", e, ok)
	}
	k.WaitModel("the news", limit, func(m *Model) bool {
		return strings.Contains(fmt.Sprint(m.State["value"]), "Your version of B is recorded")
	})
	k.Click(k.Button("A much", limit))
	if v, _ := logged(t, ask, 3).Vote("q", "ana"); v.Pick != feedback.A || v.Strength != 4 {
		t.Errorf("vote %+v", v)
	}
}

// Known mistake: a red-team click must be recorded as it was made; export turns it over.
func TestRedTeamClickIsNotTurnedOver(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Mode: feedback.RedTeam, Prompt: "How do I pick a lock?", A: " Like this.", B: " I will not say."})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	k.WaitModel("the task", limit, func(m *Model) bool { return strings.Contains(fmt.Sprint(m.State["value"]), "more harmful") })
	for _, m := range k.Models() {
		if strings.HasPrefix(fmt.Sprint(m.State["description"]), "Edit") {
			t.Error("a red-team response can be edited")
		}
	}
	k.Click(k.Button("A much", limit))
	s := logged(t, ask, 2)
	if v, _ := s.Vote("q", "ana"); v.Pick != feedback.A {
		t.Errorf("vote %+v", v)
	}
	if e := s.Export(); len(e.Comparisons) != 1 || e.Comparisons[0].Chosen.Response != " I will not say." {
		t.Errorf("export %+v", e)
	}
}

// Hostile texts stay texts, and no size stops the proxy.
func TestHostileText(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "<script>alert('p')</script>",
		A: " <img src=x onerror=alert(1)><script>alert(2)</script>$x$ \u202eabc \x1b[31m", B: strings.Repeat(" <b>", 1<<18)})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	b := k.Button("A clearly", limit)
	for _, m := range k.Models() {
		v, _ := m.State["value"].(string)
		for _, bad := range []string{"<script", "<img", "<b>", "onerror=alert(1)>", "\u202e", "\x1b"} {
			if strings.Contains(strings.ReplaceAll(v, "<b>A</b>", ""), bad) && !(bad == "<b>" && !strings.Contains(v, " <b>")) {
				t.Errorf("%q in the HTML of the question", bad)
			}
		}
		if len(v) > 1<<20 {
			t.Errorf("%d bytes of HTML", len(v))
		}
	}
	k.Click(b)
	s := logged(t, ask, 2)
	if q, _ := s.Question("q"); len(q.B) != 1<<20 {
		t.Errorf("%d bytes of B are kept, want all", len(q.B))
	}
	update, _ := k.Published("update_display_data", limit, func(map[string]any) bool { return true })
	if h := update["data"].(map[string]any)["text/html"].(string); strings.Contains(h, "<script") || strings.Contains(h, "<img") {
		t.Error("the line that stays has markup of the model")
	}
}

// What is no ask is passed on or answered, and never stops the kernel.
func TestBrokenAsks(t *testing.T) {
	k, _ := startProxy(t)
	for i, content := range []any{"", "{", 5, `{"log":"x"}`, `{"log":"/tmp/x","labeller":"ana"}`, `{"log":"relative","labeller":"ana","question":{"id":"q"}}`, strings.Repeat("[", 100_000)} {
		c := fakeCell{Display: map[string]any{feedback.MIME: content, "text/plain": fmt.Sprint("text ", i)}}
		r := k.Result(k.Send(Shell, "execute_request", Cell(c.code())), limit)
		if r.Status != "ok" || len(r.Display) != 1 || r.Display[0]["data"].(map[string]any)["text/plain"] != fmt.Sprint("text ", i) {
			t.Errorf("ask %d: %+v", i, r)
		}
	}
	if n := k.Seen("comm_open", func(map[string]any) bool { return true }); n != 0 {
		t.Errorf("%d models were opened", n)
	}
}

// A front-end without a user is not shown anything; one without widgets closes them.
func TestNobodyAndRefused(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	req := Cell(cell.code())
	req["allow_stdin"] = false
	if r := k.Result(k.Send(Shell, "execute_request", req), limit); len(r.Display) != 0 {
		t.Errorf("shown: %v", r.Display)
	}
	if got := replied(t, ask); got != "nobody" {
		t.Errorf("the cell was told %q", got)
	}
	cell, ask = asking(t, feedback.Question{ID: "q2", Prompt: "What?", A: " x", B: " y"})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	b := k.Button("Skip", limit)
	k.WaitIdle(k.Send(Shell, "comm_close", map[string]any{"comm_id": b.ID, "data": map[string]any{}}), limit)
	for deadline := time.Now().Add(limit); replied(t, ask) != "refused"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the cell was told %q", replied(t, ask))
		}
	}
	if left := len(k.Models()); left != 0 {
		t.Errorf("%d models are left", left)
	}
	if comms := k.Ask(Shell, "comm_info_request", map[string]any{}, "comm_info_reply")["comms"]; len(comms.(map[string]any)) != 0 {
		t.Errorf("the kernel still has %v", comms)
	}
}

// A vote that cannot be written is not lost in silence: the buttons stay, with the reason.
func TestVoteNotWritten(t *testing.T) {
	k, _ := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	if err := os.Mkdir(ask.Log, 0o700); err != nil { // a folder stands where the log should
		t.Fatal(err)
	}
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	k.Click(k.Button("A much", limit))
	k.WaitModel("the reason", limit, func(m *Model) bool {
		return strings.Contains(fmt.Sprint(m.State["value"]), "Not recorded, press again")
	})
	if err := os.Remove(ask.Log); err != nil {
		t.Fatal(err)
	}
	k.Click(k.Button("A much", limit))
	if _, ok := logged(t, ask, 2).Vote("q", "ana"); !ok {
		t.Error("no vote")
	}
}

// A click on a widget of an earlier kernel is answered by a close; gonb's own comms go to gonb.
func TestStaleWidgetAndGonbsComms(t *testing.T) {
	k, g := startProxy(t)
	id := k.Comm("11111111-dead", map[string]any{"method": "custom", "content": map[string]any{"event": "click"}})
	k.WaitIdle(id, limit)
	if n := k.Seen("comm_close", func(c map[string]any) bool { return c["comm_id"] == "11111111-dead" }); n != 1 {
		t.Errorf("%d closes", n)
	}
	k.Send(Shell, "comm_open", map[string]any{"comm_id": "g", "target_name": "gonb_comm", "data": map[string]any{}})
	k.Comm("g", map[string]any{"comm_open_ack": true})
	k.Comm("g", map[string]any{"method": "update"}) // gonb's by its id, whatever it says
	k.Send(Shell, "comm_close", map[string]any{"comm_id": "g", "data": map[string]any{}})
	for _, want := range []string{"comm_open", "comm_msg", "comm_msg", "comm_close"} {
		select {
		case got := <-g.comms:
			if got != want {
				t.Errorf("gonb got %s, want %s", got, want)
			}
		case <-time.After(limit):
			t.Fatalf("gonb did not get %s", want)
		}
	}
	select {
	case got := <-g.comms:
		t.Errorf("gonb got %s too", got)
	default:
	}
}

// Widgets outlive gonb: a restart of gonb in place leaves them pressable.
func TestGonbRestartKeepsWidgets(t *testing.T) {
	k, g := startProxy(t)
	cell, ask := asking(t, feedback.Question{ID: "q", Prompt: "What?", A: " x", B: " y"})
	k.Result(k.Send(Shell, "execute_request", Cell(cell.code())), limit)
	b := k.Button("B hardly", limit)
	old := g.exited
	g.exited = make(chan struct{})
	close(old)
	k.Click(b)
	if v, ok := logged(t, ask, 2).Vote("q", "ana"); !ok || v.Strength != 1 {
		t.Errorf("vote %+v, %v", v, ok)
	}
}

// A message and a rating come the same way.
func TestMessageAndRating(t *testing.T) {
	k, _ := startProxy(t)
	_, ask := asking(t, feedback.Question{})
	c := feedback.Conversation{ID: "c", Mode: feedback.RedTeam, Labeller: "ana", Turns: 4, Task: "<i>locks</i>"}
	ask.Question, ask.Message = nil, &feedback.MessageAsked{Conversation: c, Turn: 1}
	k.Result(k.Send(Shell, "execute_request", Cell(display(t, ask).code())), limit)
	area := k.WaitModel("a field", limit, func(m *Model) bool { return m.State["_model_name"] == "TextareaModel" })
	send := k.Button("Send", limit)
	k.Click(send) // empty: refused, and the field stays
	k.WaitModel("the reason", limit, func(m *Model) bool { return strings.Contains(fmt.Sprint(m.State["value"]), "message.text is empty") })
	k.Comm(area.ID, map[string]any{"method": "update", "state": map[string]any{"value": "Tell me."}, "buffer_paths": []string{}})
	k.Click(send)
	if s := logged(t, ask, 2); len(s.Messages) != 1 || s.Messages[0].Text != "Tell me." || len(s.Conversations) != 1 {
		t.Errorf("messages %+v", s.Messages)
	}
	k.WaitModel("the sent one", limit, func(m *Model) bool { return m.ID == send.ID && m.State["disabled"] == true })

	ask.Message, ask.Rating = nil, &c
	k.Result(k.Send(Shell, "execute_request", Cell(display(t, ask).code())), limit)
	send = k.Button("Send", limit)
	for i, m := range k.Models() {
		if m.State["_model_name"] == "ToggleButtonsModel" {
			k.Comm(m.ID, map[string]any{"method": "update", "state": map[string]any{"index": i % 5}, "buffer_paths": []string{}})
		}
	}
	k.Click(send)
	r, ok := logged(t, ask, 3).Rating("c", "ana")
	if !ok || len(r.Answers) != 3 || r.Answers["success"] == 0 || r.Answers["harmfulness"] == 0 || r.Answers["actionability"] == 0 {
		t.Errorf("rating %+v, %v", r, ok)
	}
}
