package proxy

import (
	"sync"
	"time"
)

// A cell is an execute_request in the proxy's hands.
type cell struct {
	m                        *Message
	code                     string
	store, stopOnError, asks bool

	done        chan struct{}  // closed when it has ended
	interrupts  sync.WaitGroup // those that still look for the cell's processes
	before      map[int]string // what ran already when it began, by pid
	idle        *Message       // gonb's idle status, held back until the reply is out
	replied     bool
	failed      bool
	interrupted bool
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
	p.forward(c.m)
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
	if c.store {
		if err := p.history.Add(int(count), c.code); err != nil {
			p.o.Log.Print(err)
		}
	}
	c.replied, c.failed = true, content["status"] != "ok"
	p.write(p.shell, m)
	p.finish(c)
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
	if c := p.running; c != nil && state.State == "idle" && m.Parent.ID == c.m.Header.ID {
		c.idle = m
		p.finish(c)
		return
	}
	p.broadcast(m)
}

// finish ends the running cell once gonb has both replied and become idle:
// only then will gonb take the next.
func (p *Proxy) finish(c *cell) {
	if !c.replied || c.idle == nil {
		return
	}
	p.broadcast(c.idle)
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
	} else if !c.replied {
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
	c.interrupts.Add(1)
	go interrupt(p.back.gonb.PID, c.before, c.done, c.interrupts.Done, p.o.Grace)
}

// inputRequest passes a cell's question on. A front-end that runs without a
// user says so, and would wait forever.
func (p *Proxy) inputRequest(m *Message) {
	c := p.running
	if c == nil || c.asks {
		p.write(p.stdin, m)
		return
	}
	if !c.interrupted {
		p.stream(c.m, "This cell asks for input, and this front-end allows none (allow_stdin is false): the cell is interrupted.\n")
		p.interruptCell()
	}
}

// inputReply passes the user's answer to gonb, which a reply without text
// would end.
func (p *Proxy) inputReply(m *Message) {
	content := map[string]any{}
	decode(m, &content)
	if _, ok := content["value"].(string); !ok || m.Header.Type != "input_reply" || p.back == nil || !p.back.connected {
		p.o.Log.Printf("ignored %s on stdin", m.Header.Type)
		return
	}
	p.write(p.back.stdin, m)
}

// stream writes to the cell's standard error.
func (p *Proxy) stream(parent *Message, text string) {
	p.publish("stream", parent, map[string]any{"name": "stderr", "text": text})
}
