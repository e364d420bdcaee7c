package proxy

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hhrlhf/kernel/gocell"
	"hhrlhf/kernel/gopls"
)

// An assistant answers completions and inspections for one life of gonb, also
// while a cell runs. It is a session of our own with the gopls that gonb starts,
// on a main.go composed of the cell in question and what gonb has memorised.
type assistant struct {
	folder    string    // GONB_TMP_DIR
	gopls     bool      // there will be one
	met       bool      // there was one; serve's
	dialled   time.Time // the session's beginning; serve's
	questions chan question
	warmed    bool

	// The loop's: what cells that compiled have declared.
	seen    time.Time // of the main.go that memory was read from
	memory  string
	imports map[string]string
}

// A question is one request to the assistant; of the proxy itself if ask is nil.
type question struct {
	ask          *asked
	code         string
	point        int // cursor, in code points
	header       string
	memory       string
	inspect      bool
	questionedAt time.Time
}

const (
	assistLimit = 30 * time.Second // from the request to "nothing found": the first answer of a cold gopls is slow
	settling    = 6 * time.Second  // from the beginning of a session until what is not found is not there
	goplsSocket = "gopls_socket"
)

// errUnread is that of a gopls which has just begun.
var errUnread = errors.New("gopls has not read the cell's package")

// startAssistant starts the assistant of the running gonb, whose context is ctx.
func (p *Proxy) startAssistant(ctx context.Context, k *back) {
	folders, _ := filepath.Glob(filepath.Join(k.gonb.Temp, "gonb_*"))
	if len(folders) == 0 {
		p.o.Log.Printf("proxy: no folder of gonb's in %s: there will be no completion", k.gonb.Temp)
		return
	}
	k.assistant = &assistant{folder: folders[0], gopls: k.gonb.Gopls, questions: make(chan question, 16),
		memory: "package main\n", imports: map[string]string{}}
	go k.assistant.serve(ctx, p)
}

// remember reads what gonb has memorised: the main.go that it composed last, if
// that has compiled since.
func (a *assistant) remember() {
	main := filepath.Join(a.folder, "main.go")
	composed, err1 := os.Stat(main)
	built, err2 := os.Stat(filepath.Join(a.folder, filepath.Base(a.folder)+".cell"))
	if err1 != nil || err2 != nil || composed.ModTime().Equal(a.seen) || built.ModTime().Before(composed.ModTime()) {
		return
	}
	b, err := os.ReadFile(main)
	if err != nil {
		return
	}
	a.seen = composed.ModTime()
	memory, imports := gocell.Memory(string(b))
	a.memory = memory
	// goimports takes out what this cell does not use; gonb keeps it all the same.
	maps.Copy(a.imports, imports)
}

// keepImports notes the imports that a cell has written itself.
func (a *assistant) keepImports(code string) {
	if file, ok := gocell.Compose(code, ""); ok {
		maps.Copy(a.imports, gocell.Imports(file))
	}
}

// assist serves complete_request and inspect_request. One that comes while gonb
// starts is answered when it has started.
func (p *Proxy) assist(ask asked) {
	var q struct {
		Code   string
		Cursor *int `json:"cursor_pos"`
	}
	decode(ask.m, &q)
	n := len([]rune(q.Code))
	if q.Cursor == nil {
		q.Cursor = &n
	}
	point := max(0, min(*q.Cursor, n))
	if ask.m.Header.Type == "complete_request" {
		if names, start, ok := gocell.CompleteCommand(q.Code, point); ok {
			p.answerComplete(ask, names, nil, start, point)
			return
		}
	}
	if p.back == nil || !p.back.ready {
		p.asks = append(p.asks, ask)
		return
	}
	if p.back.assistant == nil || !p.back.assistant.put(question{ask: &ask, code: q.Code, point: point}) {
		p.answerNothing(ask, point)
	}
}

// put adds what the loop knows to a question and queues it.
func (a *assistant) put(q question) bool {
	if !a.gopls {
		return false
	}
	a.remember()
	q.header, q.memory, q.questionedAt = gocell.Header(q.code, a.imports), a.memory, time.Now()
	if q.ask != nil {
		q.inspect = q.ask.m.Header.Type == "inspect_request"
	}
	select {
	case a.questions <- q:
		return true
	default:
		return false
	}
}

// serve answers the questions in order, and those that the end of gonb leaves over.
func (a *assistant) serve(ctx context.Context, p *Proxy) {
	var c *gopls.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for {
		var q question
		select {
		case <-ctx.Done():
			select {
			case q = <-a.questions:
			default:
				return
			}
		case q = <-a.questions:
		}
		limited, cancel := context.WithDeadline(ctx, q.questionedAt.Add(assistLimit))
		reply, err := a.answer(limited, &c, p, q)
		cancel()
		if err != nil && ctx.Err() == nil {
			p.o.Log.Printf("proxy: assistant: %v", err)
		}
		if q.ask != nil {
			p.send(p.ctx, event{from: ownWork, do: reply})
		}
	}
}

// answer asks gopls and returns what the loop is to do.
func (a *assistant) answer(ctx context.Context, c **gopls.Client, p *Proxy, q question) (func(), error) {
	nothing := func() { p.answerNothing(*q.ask, q.point) }
	if *c != nil {
		select {
		case <-(*c).Done():
			*c = nil
		default:
		}
	}
	if *c == nil {
		client, err := a.dial(ctx)
		if err != nil {
			return nothing, err
		}
		*c, a.dialled = client, time.Now()
	}
	file, ok := gocell.Compose(q.code, q.header)
	if !ok {
		return nothing, nil
	}
	const main, memory = "main.go", "rlhf_memory.go"
	if err := (*c).Set(ctx, map[string]string{main: file, memory: q.memory}); err != nil {
		return nothing, err
	}
	at := gopls.At(q.code, q.point)
	at.Line++ // the package clause
	if q.inspect {
		for _, point := range gocell.Subjects(q.code, q.point) {
			at := gopls.At(q.code, point)
			at.Line++
			var text string
			err := a.settled(ctx, func() (found bool, err error) {
				text, err = (*c).Hover(ctx, main, at)
				return text != "", err
			})
			if err != nil {
				return nothing, err
			}
			if text != "" {
				return func() {
					p.answer(*q.ask, "inspect_reply", map[string]any{"status": "ok", "found": true, "metadata": map[string]any{},
						"data": map[string]any{"text/markdown": text, "text/plain": plainText(text)}})
				}, nil
			}
		}
		return nothing, nil
	}
	var names []string
	var kept []gopls.Item
	err := a.settled(ctx, func() (found bool, err error) {
		items, err := (*c).Complete(ctx, main, at)
		for _, it := range items {
			// A reply has one place for all: the best item's.
			if it.Range == items[0].Range && it.Range.Start.Line == at.Line && it.Text != "" {
				names, kept = append(names, it.Text), append(kept, it)
			}
		}
		if len(items) > 0 && len(kept) == 0 { // of a file whose package it has not read, gopls completes the package clause
			err = errUnread
		}
		return len(kept) > 0, err
	})
	if err != nil {
		return nothing, err
	}
	if len(kept) == 0 {
		return nothing, nil
	}
	place := func(at gopls.Position) int { at.Line--; return gopls.Point(q.code, at) }
	start, end := place(kept[0].Range.Start), place(kept[0].Range.End)
	return func() { p.answerComplete(*q.ask, names, kept, start, end) }, nil
}

// settled asks again while nothing is found in the first seconds of a session: gopls
// answers also before it has read the packages that a cell imports, with nothing or an error.
func (a *assistant) settled(ctx context.Context, ask func() (found bool, err error)) error {
	for {
		found, err := ask()
		age := time.Since(a.dialled)
		if found || ctx.Err() != nil || err == nil && age > settling || age > assistLimit {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// dial connects to gopls, once it listens. gonb starts none in the place of one
// that has ended.
func (a *assistant) dial(ctx context.Context) (*gopls.Client, error) {
	for {
		c, err := gopls.Dial(ctx, filepath.Join(a.folder, goplsSocket), a.folder)
		if err == nil {
			a.met = true
		}
		if a.met || ctx.Err() != nil { // one that has just begun may not listen yet, or not yet to the end
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answerComplete replies with names for the text from start to end; items, if
// any, say what kind each is.
func (p *Proxy) answerComplete(ask asked, names []string, items []gopls.Item, start, end int) {
	metadata := map[string]any{}
	if len(items) > 0 {
		var types []map[string]any
		for _, it := range items {
			types = append(types, map[string]any{"start": start, "end": end, "text": it.Text, "type": it.Kind, "signature": it.Detail})
		}
		metadata["_jupyter_types_experimental"] = types
	}
	if names == nil {
		names = []string{}
	}
	p.answer(ask, "complete_reply", map[string]any{"status": "ok", "matches": names,
		"cursor_start": start, "cursor_end": end, "metadata": metadata})
}

// answerNothing replies that there is nothing to say.
func (p *Proxy) answerNothing(ask asked, point int) {
	if ask.m.Header.Type == "complete_request" {
		p.answerComplete(ask, nil, nil, point, point)
		return
	}
	p.answer(ask, "inspect_reply", map[string]any{"status": "ok", "found": false,
		"data": map[string]any{}, "metadata": map[string]any{}})
}

// warm has gopls read what completions need, before anybody waits for one.
func (a *assistant) warm() {
	if a.warmed {
		return
	}
	const code = "%%\nfmt.Printl"
	a.warmed = a.put(question{code: code, point: len(code)})
}

// plainText is Markdown for a front-end that shows none: without fences.
func plainText(markdown string) string {
	var out []string
	for line := range strings.Lines(markdown) {
		if s := strings.TrimSpace(line); !strings.HasPrefix(s, "```") && s != "---" {
			out = append(out, strings.TrimRight(line, "\n"))
		}
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
