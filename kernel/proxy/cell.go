package proxy

import (
	"context"
	"maps"
	"sync"
	"time"

	"hhrlhf/kernel/gocell"
)

// A cell is an execute_request in the proxy's hands.
type cell struct {
	m                        *Message
	code                     string
	prepared                 gocell.Prepared
	store, stopOnError, asks bool

	done        chan struct{}  // closed when it has ended
	interrupts  sync.WaitGroup // those that still look for the cell's processes
	before      map[int]string // what ran already when it began, by pid
	reply       *Message       // gonb's reply, held back until the idle status: outputs come first
	idle        *Message       // gonb's idle status, held back until the reply is out
	failed      bool
	interrupted bool

	cancel  context.CancelFunc // ends what is looked up before gonb gets the cell
	began   time.Time          // when gonb got it
	count   int                // execution count
	past    []string           // what each %history found
	page    string             // for the reply: what %doc found
	askedAt time.Time          // of its last question
	answer  *Message           // to that question, held back until gonb can take it
	held    string             // standard error that may be a panic's, since heldAt
	heldAt  time.Time
	failure map[string]any // content of the error message, nil if there was none
}

// execute queues a cell.
func (p *Proxy) execute(m *Message) {
	content := map[string]any{}
	decode(m, &content)
	code, ok := content["code"].(string)
	c := &cell{m: m, code: code, stopOnError: true, asks: true, done: make(chan struct{})}
	if !ok {
		p.status(m, "busy")
		p.fail(c, "BadRequest", "execute_request without code", "The front-end sent no text to run.")
		return
	}
	silent, _ := content["silent"].(bool)
	// A missing field would end gonb.
	if !p.setDefaults(m, content, map[string]any{"silent": false, "store_history": !silent}) {
		return
	}
	c.store = content["store_history"].(bool) && !silent
	if v, ok := content["stop_on_error"].(bool); ok {
		c.stopOnError = v
	}
	if v, ok := content["allow_stdin"].(bool); ok {
		c.asks = v
	}
	if err := p.prepare(c, content); err != nil {
		p.status(m, "busy")
		p.fail(c, "BadCommand", err.Error(), "Nothing of the cell was run.")
		return
	}
	p.queue = append(p.queue, c)
	if p.interruptedAfter(m) {
		p.abortQueue()
	}
	p.next()
}

// next hands the next cell to gonb if gonb is free.
func (p *Proxy) next() {
	if p.running != nil || len(p.queue) == 0 || p.back == nil || !p.back.ready {
		return
	}
	c := p.queue[0]
	p.queue = p.queue[1:]
	p.running = c
	if p.notice != "" {
		p.status(c.m, "busy")
		p.stream(c.m, p.notice)
		p.notice = ""
	}
	c.before = leftBehind(p.back.gonb.PID)
	p.launch(p.back.ctx, c)
}

// reply passes gonb's shell replies on.
func (p *Proxy) reply(m *Message) {
	if p.own(m) {
		if m.Header.Type == "kernel_info_reply" {
			p.patchInfo(m)
			p.back.probed = true
		}
		return
	}
	c := p.running
	if c == nil || m.Header.Type != "execute_reply" || m.Parent.ID != c.m.Header.ID {
		p.write(p.shell, m)
		return
	}
	content := map[string]any{}
	decode(m, &content)
	count, _ := content["execution_count"].(float64)
	// gonb leaves the count out of a cell that is not to be stored.
	if !p.setDefaults(m, content, map[string]any{"execution_count": float64(0)}) {
		return
	}
	c.failed = content["status"] != "ok"
	if c.store {
		if err := p.history.Add(int(count), c.code); err != nil {
			p.o.Log.Print(err)
		}
	}
	c.reply = m
	p.finish(c)
}

// lastWords completes gonb's reply with what the proxy knows better.
func (p *Proxy) lastWords(c *cell) {
	if c.failure == nil && c.page == "" {
		return
	}
	content := map[string]any{}
	decode(c.reply, &content)
	maps.Copy(content, c.failure)
	if c.page != "" && !c.failed {
		content["payload"] = []any{map[string]any{"source": "page", "start": 0, "data": map[string]any{"text/plain": c.page}}}
	}
	if err := p.key.SetContent(c.reply, content); err != nil {
		p.o.Log.Print(err)
	}
}

// output passes gonb's iopub messages on.
func (p *Proxy) output(m *Message) {
	var state struct {
		State string `json:"execution_state"`
	}
	if m.Header.Type == "status" {
		decode(m, &state)
	}
	if p.own(m) {
		if state.State == "idle" && p.back.probed && !p.back.ready {
			p.gonbReady()
		}
		return
	}
	if m.Header.Type == "comm_open" || m.Header.Type == "comm_close" {
		p.trackComm(m)
	}
	if m.Header.Type == "display_data" && p.takeAsk(m) {
		return
	}
	c := p.running
	if c == nil || m.Parent.ID != c.m.Header.ID {
		p.broadcast(m)
		return
	}
	switch m.Header.Type {
	case "status":
		if state.State == "idle" {
			c.idle = m
			p.finish(c)
			return
		}
	case "execute_input":
		p.begun(c, m)
		return
	case "display_data", "update_display_data":
		p.display(c, m)
		return
	case "stream":
		if field(m, "name") == "stderr" {
			p.stderr(c, m)
			return
		}
	case "error":
		p.failure(c, m)
		return
	}
	p.broadcast(m)
}

// finish ends the running cell once gonb has both replied and become idle:
// only then will gonb take the next.
func (p *Proxy) finish(c *cell) {
	if c.reply == nil || c.idle == nil {
		return
	}
	p.letGo(c)
	if c.prepared.Timed {
		p.timing(c)
	}
	p.lastWords(c)
	p.write(p.shell, c.reply)
	p.broadcast(c.idle)
	if a := p.back.assistant; a != nil {
		a.remember()
		a.keepImports(c.code)
	}
	p.running, p.idleFrom = nil, time.Now()
	c.end()
	if c.failed && c.stopOnError {
		p.abortQueue()
	}
	p.next()
}

// fail ends a cell with an error of the proxy's own.
func (p *Proxy) fail(c *cell, name, value, advice string) {
	e := map[string]any{"ename": name, "evalue": value, "traceback": []string{name + ": " + value, advice}}
	p.publish("error", c.m, e)
	e["status"], e["execution_count"] = "error", 0
	if m, err := p.key.New(p.session, "execute_reply", c.m, e); err != nil {
		p.o.Log.Print(err)
	} else if c.reply != nil {
		p.write(p.shell, c.reply)
	} else {
		p.write(p.shell, m)
	}
	p.status(c.m, "idle")
	c.end()
	if p.running == c {
		p.running = nil
	}
}

// abortQueue answers the cells that wait: they will not run.
func (p *Proxy) abortQueue() {
	queue := p.queue
	p.queue = nil
	for _, c := range queue {
		p.answer(asked{c.m, frontShell}, "execute_reply", map[string]any{"status": "aborted", "execution_count": 0})
	}
}

// end lets go of the cell's processes: what runs from now on is the next cell's.
func (c *cell) end() {
	close(c.done)
	c.interrupts.Wait()
}

// interruptedAfter reports whether the front-end that sent m asked for an
// interrupt later: control overtakes shell. Clocks are compared with themselves
// only, so that an interrupt of another session counts when it arrives.
func (p *Proxy) interruptedAfter(m *Message) bool {
	h := p.interrupted
	sent, err1 := time.Parse(time.RFC3339Nano, m.Header.Date)
	at, err2 := time.Parse(time.RFC3339Nano, h.Date)
	return err1 == nil && err2 == nil && m.Header.Session == h.Session && sent.Before(at)
}

// interruptCell ends the running cell and aborts those behind it.
func (p *Proxy) interruptCell() {
	p.abortQueue()
	c := p.running
	if c == nil || p.back == nil {
		return
	}
	c.interrupted = true
	if c.began.IsZero() { // gonb does not have it yet
		c.cancel()
		return
	}
	c.interrupts.Add(1)
	go interrupt(p.back.gonb.PID, c.before, c.done, c.interrupts.Done, p.o.Grace)
}

// inputRequest passes a cell's question on. A front-end that runs without a
// user says so, and would wait forever.
func (p *Proxy) inputRequest(m *Message) {
	c := p.running
	if c == nil || c.asks {
		if c != nil {
			c.askedAt = time.Now()
		}
		p.write(p.stdin, m)
		return
	}
	if !c.interrupted {
		p.stream(c.m, "This cell asks for input, and this front-end allows none (allow_stdin is false): the cell is interrupted.\n")
		p.interruptCell()
	}
}

// settle is how long after its question gonb takes an answer for certain: it sends the
// question first and then notes where the answer goes, and one that comes between is lost.
const settle = 250 * time.Millisecond

// inputReply passes the user's answer to gonb, which a reply without text
// would end. One given by a program at once waits for [settle].
func (p *Proxy) inputReply(m *Message) {
	content := map[string]any{}
	decode(m, &content)
	if _, ok := content["value"].(string); !ok || m.Header.Type != "input_reply" || p.back == nil || !p.back.connected {
		p.o.Log.Printf("ignored %s on stdin", m.Header.Type)
		return
	}
	if c := p.running; c != nil && time.Since(c.askedAt) < settle {
		c.answer = m
		return
	}
	p.write(p.back.stdin, m)
}

// stream writes to the cell's standard error.
func (p *Proxy) stream(parent *Message, text string) {
	p.publish("stream", parent, map[string]any{"name": "stderr", "text": text})
}
