package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
)

// A tap is a writer that another goroutine reads.
type tap struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *tap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// Pairs of a file, answered on the page, exported and read again; the agreement of two.
func TestFeedback(t *testing.T) {
	dir := t.TempDir()
	pairs, log := filepath.Join(dir, "pairs.jsonl"), filepath.Join(dir, "votes.jsonl")
	var rows strings.Builder
	for i := range 4 {
		fmt.Fprintf(&rows, `{"chosen":"\n\nHuman: %d?\n\nAssistant: good","rejected":"\n\nHuman: %d?\n\nAssistant: bad"}`+"\n", i, i)
	}
	if err := os.WriteFile(pairs, []byte(rows.String()+"{broken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"-mode rude":                "-mode",
		"-turns 0":                  "-turns 0",
		"-against x":                "without -policy",
		"-data " + dir + "/nothing": "-data",
		"-log " + dir:               "-log",
		"export":                    "-out is missing",
		"export -out x -log " + dir + "/none.jsonl": "-log",
		"agreement -log " + dir + "/none.jsonl":     "-log",
	} {
		d := newDesk(strings.NewReader(""))
		args := strings.Fields(line)
		if args[0][0] == '-' && !strings.Contains(line, "-log") {
			args = append(args, "-log", filepath.Join(dir, "wrong.jsonl"))
		}
		if err := feedbackCommandOn(d.shell).run(t.Context(), args, &d.err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", line, err, want)
		}
	}

	d := newDesk(strings.NewReader(""))
	said := &tap{}
	d.shell.err = said
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- feedbackCommandOn(d.shell).run(ctx, []string{"-log", log, "-data", pairs, "-rows", "3", "-as", "ana"}, said)
	}()
	find := regexp.MustCompile(`open (http://127\.0\.0\.1:\d+)(/\?t=\w+)`)
	var at []string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if at = find.FindStringSubmatch(said.String()); at != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no URL in %q", said)
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	get := func(path string) {
		t.Helper()
		resp, err := browser.Get(at[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("GET %s: %s", path, resp.Status)
		}
	}
	get(at[2])
	get("/next?" + url.Values{"labeller": {"ana"}}.Encode())
	l, err := feedback.OpenLog(log)
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.State()
	if err != nil || len(st.Questions) != 3 {
		t.Fatalf("%d questions, want 3 (%v)", len(st.Questions), err)
	}
	for i, q := range st.Questions {
		good := "a"
		if q.B == " good" {
			good = "b"
		}
		for _, who := range []string{"ana", "ben"} {
			strength := 3
			if who == "ben" && i == 2 {
				strength = 1 // about the same
			}
			body := fmt.Sprintf(`{"vote":{"question":%q,"labeller":%q,"pick":%q,"strength":%d}}`, q.ID, who, good, strength)
			req, err := http.NewRequest("POST", at[1]+"/say", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", at[1])
			resp, err := browser.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("vote: %s", resp.Status)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the page ended with %v", err)
	}

	out := filepath.Join(dir, "out")
	d = newDesk(strings.NewReader(""))
	if err := feedbackCommandOn(d.shell).run(t.Context(), []string{"export", "-log", log, "-out", out}, &d.err); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.out.String(), "3 comparisons (ana 3)") || !strings.Contains(d.out.String(), "1 weakest") || !strings.Contains(d.out.String(), "2 repeated") {
		t.Errorf("export says %s", d.out.String())
	}
	var chosen []rlhf.Comparison
	for c, err := range data.Comparisons(out) {
		if err != nil {
			t.Fatal(err)
		}
		chosen = append(chosen, c)
		if c.Chosen.Response != " good" || c.Tranche != feedback.TrancheHelpful {
			t.Errorf("exported %+v", c)
		}
	}
	if len(chosen) != 3 {
		t.Errorf("%d rows, want 3", len(chosen))
	}
	d = newDesk(strings.NewReader(""))
	if err := feedbackCommandOn(d.shell).run(t.Context(), []string{"agreement", "-log", log}, &d.err); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.out.String(), "ana and ben agree on 1.000") || !strings.Contains(d.out.String(), "of 2 questions") {
		t.Errorf("agreement says %s", d.out.String())
	}
	d = newDesk(strings.NewReader(""))
	if err := feedbackCommandOn(d.shell).run(t.Context(), []string{"agreement", "-log", log, "-json"}, &d.err); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Labellers []feedback.Habits
		Agreement []eval.Agreed
	}
	if decode(t, d.out.String(), &got); len(got.Labellers) != 2 || got.Labellers[1].Weakest != 1 || got.Agreement[0].Share.N != 2 {
		t.Errorf("agreement -json says %s", d.out.String())
	}
}

// A loop whose comparisons a human makes: wrong flags are said, an end of the input keeps
// what was answered, and the same command asks for what is left.
func TestOnlineWithAHuman(t *testing.T) {
	dir := t.TempDir()
	d := realDesk(t, dir, "")
	if err := d.run(t, "train -name base -json -data synth-small -rows 200 -vocab 400 -context 64 -batch 4 -shape 0.2M -lr 0.005 -steps 2 -warmup 1"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	for line, want := range map[string]string{
		"-labeller nobody":         "crowd, page or terminal",
		"-labeller terminal -json": "standard output",
		"-labeller page -as=":      "-as is empty",
	} {
		d := realDesk(t, dir, "")
		if err := onlineCommandOn(d.shell).run(t.Context(), append([]string{"-lm", "base"}, strings.Fields(line)...), &d.err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", line, err, want)
		}
	}
	line := strings.Fields("-lm base -size tiny -labeller terminal -as ana -base 12 -rs 4 -online 4 -k 2 -trial 2 -control -1 -ppo-steps 2 -harmful 0.5")
	asked := func(d *desk) int { return strings.Count(d.out.String(), "── A ──") }
	votes := func() int {
		b, err := os.ReadFile(filepath.Join(dir, ".online", "online", "feedback.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), `"vote":`)
	}
	d = realDesk(t, dir, "1\n8\n3\n")
	if err := onlineCommandOn(d.shell).run(t.Context(), line, &d.err); err == nil || !strings.Contains(err.Error(), "what was answered is kept") {
		t.Fatalf("three answers: %v\n%s", err, d.err.String())
	}
	if n := votes(); n != 3 || asked(d) != 4 {
		t.Errorf("%d votes, %d questions shown; want 3 and 4", n, asked(d))
	}
	if !strings.Contains(d.out.String(), "more harmful response") || !strings.Contains(d.out.String(), "more helpful and honest") {
		t.Errorf("both tasks should come:\n%s", d.out.String())
	}
	d = realDesk(t, dir, "2\n7\n")
	if err := onlineCommandOn(d.shell).run(t.Context(), line, &d.err); err == nil {
		t.Fatal("two answers more were enough")
	}
	if n := votes(); n != 5 || asked(d) != 3 {
		t.Errorf("%d votes, %d questions shown; want 5 and 3: what was answered is not asked again", n, asked(d))
	}
}
