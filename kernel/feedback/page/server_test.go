package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/kernel/feedback/page"
)

// A visitor is a browser.
type visitor struct {
	t    *testing.T
	http *http.Client
	base string // "http://127.0.0.1:port"
}

// serve runs a page and returns the URLs that it says, in order, and what stops it.
func serve(t *testing.T, o page.Options) (urls <-chan string, stop func()) {
	t.Helper()
	said := make(chan string, 100)
	o.Ready = func(u string) { said <- u }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- page.Serve(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return said, stop
}

// visit opens the page with the URL said last.
func visit(t *testing.T, urls <-chan string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case u := <-urls:
		p, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		v := &visitor{t, &http.Client{Jar: jar, Timeout: 30 * time.Second}, "http://" + p.Host}
		status, body, h := v.do("GET", "/?"+p.RawQuery, nil)
		if status != 200 || !strings.Contains(body, "Which response is better?") || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("the page: %d %q", status, body)
		}
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("the page is not ready after 30 s")
	}
	return nil
}

// do makes a request with headers given as "Name: value".
func (v *visitor) do(method, path string, body io.Reader, headers ...string) (int, string, http.Header) {
	v.t.Helper()
	req, err := http.NewRequest(method, v.base+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if method != "GET" {
		req.Header.Set("Origin", v.base)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		} else if value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	resp, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func (v *visitor) say(r feedback.Record, headers ...string) (int, string) {
	v.t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		v.t.Fatal(err)
	}
	status, body, _ := v.do("POST", "/say", bytes.NewReader(b), headers...)
	return status, body
}

func (v *visitor) must(r feedback.Record) {
	v.t.Helper()
	if status, body := v.say(r); status != http.StatusNoContent {
		v.t.Fatalf("say: %d %s", status, body)
	}
}

// A task is what /next answers.
type task struct {
	Need, Question, A, B, Conversation string
	Turns                              []struct {
		Assistant bool
		Text      string
	}
	Turn, Done, Left int
	Previous         *feedback.Vote
	Likert           []feedback.Likert
	Labeller         string
	EditA            string `json:"edit_a"`
}

func (v *visitor) next(labeller, question string) (t task, raw string) {
	v.t.Helper()
	status, body, _ := v.do("GET", "/next?"+url.Values{"labeller": {labeller}, "question": {question}}.Encode(), nil)
	if status != 200 {
		v.t.Fatalf("next: %d %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &t); err != nil {
		v.t.Fatal(err)
	}
	return t, body
}

func newLog(t *testing.T, questions ...feedback.Question) *feedback.Log {
	t.Helper()
	l, err := feedback.OpenLog(filepath.Join(t.TempDir(), "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		if q.Mode == "" {
			q.Mode = feedback.Helpful
		}
		q.Prompt = feedback.Prompt(q.Prompt)
		if err := l.Append(feedback.Record{Question: &q}); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func vote(q, labeller string, pick feedback.Side, strength int) feedback.Record {
	return feedback.Record{Vote: &feedback.Vote{Question: q, Labeller: labeller, Pick: pick, Strength: strength}}
}

func state(t *testing.T, l *feedback.Log) *feedback.State {
	t.Helper()
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Who has no key, comes from another site or calls the server by another name is refused,
// and nothing is recorded.
func TestRefused(t *testing.T) {
	l := newLog(t, feedback.Question{ID: "q", Prompt: "What?", A: "x", B: "y"})
	urls, _ := serve(t, page.Options{Log: l})
	v := visit(t, urls)
	stranger := &visitor{t, &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, v.base}
	for path, want := range map[string]int{"/": 403, "/page.js": 403, "/next?labeller=eve": 403, "/?t=": 403, "/?t=WRONG": 403, "/say": 403} {
		if status, body, h := stranger.do("GET", path, nil); status != want || h.Get("Set-Cookie") != "" || strings.Contains(body, "<html") {
			t.Errorf("a stranger's GET %s: %d %q", path, status, body)
		}
	}
	if status, _ := stranger.say(vote("q", "eve", feedback.A, 4)); status != 403 {
		t.Errorf("a stranger's vote: %d", status)
	}
	for name, headers := range map[string][]string{
		"another site":           {"Origin: http://evil.example"},
		"another port":           {"Origin: http://127.0.0.1:1"},
		"https of the same name": {"Origin: " + strings.Replace(v.base, "http:", "https:", 1)},
		"no origin":              {"Origin: "},
		"a null origin":          {"Origin: null"},
		"another host":           {"Host: evil.example", "Origin: http://evil.example"},
		"a host like it":         {"Host: 127.0.0.1.evil.example", "Origin: http://127.0.0.1.evil.example"},
	} {
		if status, body := v.say(vote("q", "ana", feedback.A, 4), headers...); status != 403 && status != 421 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, _ := v.do("GET", "/", nil, "Host: evil.example"); status != 421 {
		t.Errorf("a page under another name: %d", status)
	}
	if _, voted := state(t, l).Vote("q", "ana"); voted {
		t.Error("a refused vote was recorded")
	}
	if status, _ := v.say(vote("q", "ana", feedback.A, 4)); status != 204 {
		t.Errorf("the same vote from the page: %d", status)
	}
}

// A token opens the page once; the next browser takes the next URL.
func TestTokenWorksOnce(t *testing.T) {
	urls, _ := serve(t, page.Options{Log: newLog(t)})
	first := <-urls
	again := make(chan string, 2)
	again <- first
	visit(t, again)
	p, _ := url.Parse(first)
	other := &visitor{t, &http.Client{Timeout: 30 * time.Second}, "http://" + p.Host}
	if status, body, _ := other.do("GET", "/?"+p.RawQuery, nil); status != 403 || !strings.Contains(body, "used already") {
		t.Errorf("a used token: %d %s", status, body)
	}
	if second := <-urls; second == first {
		t.Error("the next URL is the same")
	} else {
		again <- second
		visit(t, again)
	}
}

func TestBadBodies(t *testing.T) {
	l := newLog(t, feedback.Question{ID: "q", Prompt: "What?", A: "x", B: "y"}, feedback.Question{ID: "red", Mode: feedback.RedTeam, Prompt: "How?", A: "x", B: "y"})
	urls, _ := serve(t, page.Options{Log: l})
	v := visit(t, urls)
	before, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	q := feedback.Question{ID: "mine", Mode: feedback.Helpful, Prompt: feedback.Prompt("x"), A: "a", B: "b"}
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"no JSON":       {"{", 400, "EOF"},
		"two parts":     {`{"vote":{"question":"q","labeller":"a","skip":true},"edit":{"question":"q","labeller":"a","side":"a","text":"x"}}`, 400, "2 parts"},
		"nothing":       {`{}`, 400, "0 parts"},
		"strength 9":    {`{"vote":{"question":"q","labeller":"a","pick":"a","strength":9}}`, 400, "vote.strength"},
		"no question":   {`{"vote":{"question":"none","labeller":"a","pick":"a","strength":2}}`, 400, `no question "none"`},
		"no such field": {`{"vote":{"question":"q","labeller":"a","pick":"a","strength":2,"weight":9}}`, 400, "unknown field"},
		"its own":       {mustJSON(feedback.Record{Question: &q}), 400, "the server's"},
		"red-team edit": {`{"edit":{"question":"red","labeller":"a","side":"a","text":"x"}}`, 400, "helpful mode only"},
		"no talk":       {`{"message":{"conversation":"none","turn":1,"text":"x"}}`, 400, `no conversation "none"`},
		"no rated talk": {`{"rating":{"conversation":"none","labeller":"a","answers":{"x":1}}}`, 400, `no conversation "none"`},
		"long text":     {`{"edit":{"question":"q","labeller":"a","side":"a","text":"` + strings.Repeat("x", feedback.MaxText+1) + `"}}`, 400, "at most"},
		"huge":          {`{"edit":{"question":"q","labeller":"a","side":"a","text":"` + strings.Repeat("x", 3*feedback.MaxText), 413, "too large"},
	} {
		status, body, _ := v.do("POST", "/say", strings.NewReader(c.body))
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %.200s, want %d and %q", name, status, body, c.status, c.want)
		}
	}
	after, err := os.ReadFile(l.Path())
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the log was changed by %q (%v)", after[len(before):], err)
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Markup of a model arrives as JSON that cannot end a script, and the page never makes HTML of it.
func TestHostileTextStaysText(t *testing.T) {
	const bad = `</script><script>alert(1)</script><img src=x onerror=alert(2)>`
	urls, _ := serve(t, page.Options{Log: newLog(t, feedback.Question{ID: "q", Prompt: bad, A: bad, B: "y\xff", FromA: "secret-policy"})})
	v := visit(t, urls)
	got, raw := v.next("ana", "")
	if got.A != bad || got.Turns[0].Text != bad || got.B != "y\ufffd" {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(raw, "<script") || strings.Contains(raw, "secret-policy") {
		t.Errorf("the answer is %s", raw)
	}
	_, js, h := v.do("GET", "/page.js", nil)
	if !strings.Contains(h.Get("Content-Type"), "javascript") {
		t.Errorf("page.js is %s", h.Get("Content-Type"))
	}
	for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "http://", "https://"} {
		if strings.Contains(js, word) {
			t.Errorf("page.js has %s", word)
		}
	}
	_, html, _ := v.do("GET", "/", nil)
	_, css, _ := v.do("GET", "/page.css", nil)
	if strings.Contains(html+css, "//") {
		t.Error("the page refers to another host")
	}
}

// Several labellers at once: each answers all questions, nothing is lost or mixed up, and a
// second press is no second vote.
func TestConcurrentLabellers(t *testing.T) {
	var qs []feedback.Question
	for i := range 8 {
		qs = append(qs, feedback.Question{ID: fmt.Sprintf("q%d", i), Prompt: "What?", A: "x", B: "y"})
	}
	l := newLog(t, qs...)
	urls, _ := serve(t, page.Options{Log: l})
	var wg sync.WaitGroup
	for n, name := range []string{"ana", "ben", "cleo", "dora"} {
		v := visit(t, urls)
		wg.Go(func() {
			for i := range qs {
				got, _ := v.next(name, "")
				if got.Need != "vote" || got.Done != i || got.Left != len(qs)-i {
					t.Errorf("%s, question %d: %+v", name, i, got)
					return
				}
				for range 2 {
					v.must(vote(got.Question, name, feedback.A, 1+n))
				}
			}
			if got, _ := v.next(name, ""); got.Need != "nothing" {
				t.Errorf("%s at the end: %+v", name, got)
			}
		})
	}
	wg.Wait()
	s := state(t, l)
	for _, q := range qs {
		for n, name := range []string{"ana", "ben", "cleo", "dora"} {
			if v, ok := s.Vote(q.ID, name); !ok || v.Strength != 1+n || v.By != "page" {
				t.Errorf("%s of %s: %+v, %v", q.ID, name, v, ok)
			}
		}
	}
	b, err := os.ReadFile(l.Path())
	if err != nil || bytes.Count(b, []byte(`"vote":`)) != 32 {
		t.Errorf("%d votes in the log, want 32 (%v)", bytes.Count(b, []byte(`"vote":`)), err)
	}
	// A changed mind is a new record, and the last one counts.
	v := visit(t, urls)
	if got, _ := v.next("ana", "q3"); got.Previous == nil || got.Previous.Strength != 1 || got.Question != "q3" {
		t.Errorf("asked again: %+v", got)
	}
	v.must(vote("q3", "ana", feedback.B, 4))
	if got, _ := state(t, l).Vote("q3", "ana"); got.Pick != feedback.B {
		t.Errorf("changed vote: %+v", got)
	}
}

// A conversation from the first message to the rating, with the server restarted after
// every step: it goes on where it was.
func TestConversationSurvivesRestarts(t *testing.T) {
	l := newLog(t)
	o := page.Options{Log: l, Conversation: feedback.Conversation{Mode: feedback.Helpful, Turns: 2}, Labeller: "ana"}
	calls := 0
	o.Policies = []feedback.Policy{feedback.PolicyFunc(func(prompt string, n int) (string, error) {
		calls++
		return fmt.Sprintf(" answer %d to %d bytes\n\nHuman: run on", n, len(prompt)), nil
	})}
	step := func(check func(v *visitor, t task)) {
		urls, stop := serve(t, o)
		v := visit(t, urls)
		got, _ := v.next("ana", "")
		check(v, got)
		stop()
		if reopened, err := feedback.OpenLog(l.Path()); err != nil {
			t.Fatal(err)
		} else {
			o.Log = reopened
		}
	}
	for turn := 1; turn <= 2; turn++ {
		step(func(v *visitor, got task) {
			if got.Need != "message" || got.Turn != turn || len(got.Turns) != 2*(turn-1) {
				t.Fatalf("turn %d: %+v", turn, got)
			}
			m := feedback.Record{Message: &feedback.Message{Conversation: got.Conversation, Turn: turn, Text: fmt.Sprint("question ", turn)}}
			v.must(m)
			v.must(m) // pressed twice
		})
		step(func(v *visitor, got task) {
			if got.Need != "vote" || got.A == got.B || strings.Contains(got.A+got.B, "run on") || got.Turns[len(got.Turns)-1].Text != fmt.Sprint("question ", turn) {
				t.Fatalf("turn %d: %+v", turn, got)
			}
			if again, _ := v.next("ana", ""); again.Question != got.Question || again.A != got.A {
				t.Errorf("loaded again: %+v, want %+v", again, got)
			}
			if turn == 1 {
				v.must(feedback.Record{Vote: &feedback.Vote{Question: got.Question, Labeller: "ana", Skip: true}})
				other, _ := v.next("ana", "")
				if other.Question == got.Question || other.A == got.A {
					t.Errorf("a skipped pair comes again: %+v", other)
				}
				got = other
				v.must(feedback.Record{Edit: &feedback.Edit{Question: got.Question, Labeller: "ana", Side: feedback.B, Text: "in my words"}})
			}
			v.must(vote(got.Question, "ana", feedback.B, 3))
		})
	}
	step(func(v *visitor, got task) {
		if got.Need != "rating" || len(got.Likert) != 1 || got.Turns[1].Text != "in my words" || len(got.Turns) != 4 {
			t.Fatalf("at the end: %+v", got)
		}
		v.must(feedback.Record{Rating: &feedback.Rating{Conversation: got.Conversation, Labeller: "ana", Answers: map[string]int{"quality": 4}, Comment: "fine"}})
		if next, _ := v.next("ana", ""); next.Need != "message" || next.Conversation == got.Conversation {
			t.Errorf("the next conversation: %+v", next)
		}
	})
	if calls != 6 {
		t.Errorf("the policy wrote %d responses, want 6: two for each of two turns and a skipped pair", calls)
	}
	e := state(t, o.Log).Export()
	if len(e.Comparisons) != 3 || e.Edits != 1 || e.Skipped != 1 {
		t.Errorf("%s", e)
	}
	if got := state(t, o.Log); len(got.Messages) != 2 {
		t.Errorf("%d messages, want 2", len(got.Messages))
	}
	// A second opinion on what ana was shown.
	o.Review = true
	urls, _ := serve(t, o)
	v := visit(t, urls)
	if got, _ := v.next("ben", ""); got.Need != "vote" || got.Left != 3 || !strings.HasPrefix(got.Question, "ana-1:") {
		t.Errorf("review: %+v", got)
	}
}

// What the policy or the disk says reaches the labeller, and a name is asked for first.
func TestErrorsAreSaid(t *testing.T) {
	l := newLog(t)
	o := page.Options{Log: l, Conversation: feedback.Conversation{First: "Hi", Turns: 1}, Labeller: "ana"}
	o.Policies = []feedback.Policy{feedback.PolicyFunc(func(string, int) (string, error) { return "", errors.New("the engine is gone") })}
	urls, stop := serve(t, o)
	v := visit(t, urls)
	if got, _ := v.next("", ""); got.Need != "name" || got.Labeller != "ana" {
		t.Errorf("without a name: %+v", got)
	}
	if status, body, _ := v.do("GET", "/next?labeller=simulated", nil); status != 400 || !strings.Contains(body, "another one") {
		t.Errorf("a human called simulated: %d %s", status, body)
	}
	if status, body := v.say(vote("q", "simulated", feedback.A, 4)); status != 400 || !strings.Contains(body, "another one") {
		t.Errorf("a vote of a human called simulated: %d %s", status, body)
	}
	if status, body, _ := v.do("GET", "/next?labeller=ana", nil); status != 500 || !strings.Contains(body, "the engine is gone") {
		t.Errorf("a policy that fails: %d %s", status, body)
	}
	if status, body, _ := v.do("GET", "/next?labeller=ana&question=none", nil); status != 500 || !strings.Contains(body, `no question "none"`) {
		t.Errorf("no such question: %d %s", status, body)
	}
	stop()
	o.Policies = []feedback.Policy{feedback.PolicyFunc(func(string, int) (string, error) { return " always this", nil })}
	urls, _ = serve(t, o)
	v = visit(t, urls)
	if status, body, _ := v.do("GET", "/next?labeller=ana", nil); status != 500 || !strings.Contains(body, "the same response") {
		t.Errorf("a policy that repeats itself: %d %s", status, body)
	}
}
