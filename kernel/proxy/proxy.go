package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"
)

// Options says what a proxy stands between.
type Options struct {
	Connection     Connection // the front-end's: its ports are bound
	ConnectionName string     // base name of the private connection file, kernel-<uuid>.json
	Dir            string     // private folder (0700) for sockets; short, for a unix socket's path ends at 107 bytes

	// Start starts stock gonb on a connection file. It is called again when
	// gonb has ended, and must by then have ended what gonb left behind.
	Start func(connectionFile string) (*Gonb, error)

	// Show is the import path of the package whose Value shows a cell's last
	// expression; empty: none is shown.
	Show string
	// Doc returns the documentation of a package, by its path, or of a name in one,
	// for %doc.
	Doc func(ctx context.Context, subject ...string) (string, error)
	// Repo is the module that cells import and GoRoot Go's own folder: hints look
	// for names there.
	Repo, GoRoot string

	History string        // path of the history, empty: kept in memory
	Version string        // of this kernel, shown by kernel_info
	Grace   time.Duration // from an interrupt to SIGKILL, 0: 5 s, which is gonb's own
	Warm    time.Duration // a kernel that was idle for so long completes something, once, so that gopls is warm; 0: never
	Log     *log.Logger   // nil: the standard logger
}

// A Proxy is the state of one kernel, owned by the goroutine of [Run].
type Proxy struct {
	o       Options
	key     Key
	session string
	events  chan event
	ctx     context.Context // of Run

	shell, control, stdin, iopub, hb zmq4.Socket
	hbBack                           atomic.Pointer[zmq4.Socket]

	gen      int
	back     *back
	failures int       // of gonb before it was ready, in a row
	startAt  time.Time // when to start gonb again; zero: not to
	notice   string    // for the next cell: gonb ended between cells

	info     map[string]any // kernel_info_reply, patched
	started  bool           // gonb has been ready once
	asks     []asked        // requests for a gonb that is not ready
	waiting  []*Message     // comm messages for a gonb that is not ready
	comms    map[string]string
	widgets  widgets
	jobs     chan job // work off the loop, done in order
	history  *History
	idleFrom time.Time // the end of the last cell

	running     *cell
	queue       []*cell
	interrupted Header // of the last interrupt_request
}

// An asked is a request with the channel to answer on.
type asked struct {
	m    *Message
	from source
}

// errShutdown ends the loop: the front-end asked for it.
var errShutdown = errors.New("shutdown requested")

// maxFailures is how often in a row gonb may end before it is ready.
const maxFailures = 3

// Run binds the front-end's ports, starts gonb and serves until the front-end
// requests the shutdown (nil), ctx ends (its error) or gonb cannot be kept
// running. gonb still runs when Run returns: who started it ends it.
func Run(ctx context.Context, o Options) error {
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = log.Default()
	}
	history, err := OpenHistory(o.History)
	if err != nil {
		// A kernel without history is better than none.
		o.Log.Printf("%v: history is kept in memory", err)
		history, _ = OpenHistory("")
	}
	p := &Proxy{o: o, key: o.Connection.Key, session: newID(), events: make(chan event, 1024), jobs: make(chan job, 1024),
		comms: map[string]string{}, history: history}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.ctx = ctx
	if err := p.bind(ctx); err != nil {
		return err
	}
	defer p.unbind()
	if err := p.startBack(ctx); err != nil {
		return err
	}
	defer func() {
		if p.back != nil {
			p.back.close()
		}
	}()
	p.publish("status", nil, map[string]any{"execution_state": "starting"})
	worked := make(chan struct{})
	go p.worker(worked)
	err = p.loop(ctx)
	p.finishJobs(worked) // a vote that was given is recorded
	if errors.Is(err, errShutdown) {
		return nil
	}
	return err
}

// bind opens the five sockets of the front-end's connection.
func (p *Proxy) bind(ctx context.Context) error {
	logger := zmq4.WithLogger(p.o.Log)
	c := p.o.Connection
	p.shell, p.control, p.stdin = zmq4.NewRouter(ctx, logger), zmq4.NewRouter(ctx, logger), zmq4.NewRouter(ctx, logger)
	p.iopub, p.hb = zmq4.NewPub(ctx, logger), zmq4.NewRouter(ctx, logger)
	for _, s := range []struct {
		name   string
		socket zmq4.Socket
		port   int
	}{{"shell", p.shell, c.ShellPort}, {"control", p.control, c.ControlPort}, {"stdin", p.stdin, c.StdinPort},
		{"iopub", p.iopub, c.IOPubPort}, {"heartbeat", p.hb, c.HBPort}} {
		endpoint := c.endpoint(s.port)
		if s.socket == p.iopub {
			var forget func()
			endpoint, forget = p.welcoming(ctx, endpoint)
			defer forget()
		}
		if err := s.socket.Listen(endpoint); err != nil {
			return fmt.Errorf("proxy: %s socket at %s: %w", s.name, c.endpoint(s.port), err)
		}
	}
	go p.pump(ctx, p.shell, frontShell, 0)
	go p.pump(ctx, p.control, frontControl, 0)
	go p.pump(ctx, p.stdin, frontStdin, 0)
	go p.pumpHeartbeat(ctx)
	return nil
}

// unbind closes the front-end's sockets once iopub, which sends from a
// goroutine of its own, has had time for the last messages.
func (p *Proxy) unbind() {
	time.Sleep(100 * time.Millisecond)
	for _, s := range []zmq4.Socket{p.shell, p.control, p.stdin, p.iopub, p.hb} {
		s.Close()
	}
}

// loop is the one goroutine that reads and writes the proxy's state.
func (p *Proxy) loop(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-p.events:
			err = p.handle(ctx, e)
		case now := <-tick.C:
			err = p.tick(ctx, now)
		}
		if err != nil {
			return err
		}
	}
}

func (p *Proxy) handle(ctx context.Context, e event) error {
	if e.from >= backShell && e.from < ownWork && (p.back == nil || e.gen != p.back.gen) {
		return nil // the last words of an earlier gonb
	}
	switch e.from {
	case frontShell, frontControl:
		return p.request(e.msg, e.from)
	case frontStdin:
		p.inputReply(e.msg)
	case ownWork:
		e.do()
	case backShell:
		p.reply(e.msg)
	case backStdin:
		p.inputRequest(e.msg)
	case backIOPub:
		p.output(e.msg)
	case backConnected:
		if e.err != nil {
			p.o.Log.Print(e.err)
			return e.err
		}
		p.back.connected = true
		p.probe()
	case backExited:
		return p.gonbEnded()
	}
	return nil
}

// tick does what waits for a time.
func (p *Proxy) tick(ctx context.Context, now time.Time) error {
	if k := p.back; k != nil && k.connected && !k.ready && now.After(k.nextProbe) {
		p.probe()
	}
	if k := p.back; k != nil && k.assistant != nil && p.o.Warm > 0 && p.running == nil && now.Sub(p.idleFrom) > p.o.Warm {
		k.assistant.warm()
	}
	if c := p.running; c != nil && c.answer != nil && now.Sub(c.askedAt) >= settle {
		m := c.answer
		c.answer = nil
		p.inputReply(m)
	}
	if c := p.running; c != nil && c.held != "" && now.Sub(c.heldAt) > holdLimit {
		p.letGo(c)
	}
	if !p.startAt.IsZero() && now.After(p.startAt) {
		p.startAt = time.Time{}
		return p.startBack(ctx)
	}
	return nil
}

// probe asks gonb for its kernel_info: the reply says that shell works, the
// idle status that iopub does. A subscription takes effect some time after it
// was made, hence the repetition.
func (p *Proxy) probe() {
	p.back.nextProbe = time.Now().Add(300 * time.Millisecond)
	p.toGonb("kernel_info_request", map[string]any{})
}

// gonbReady starts what waited for gonb.
func (p *Proxy) gonbReady() {
	p.failures = 0
	p.back.ready = true
	p.idleFrom = time.Now()
	p.startAssistant(p.back.ctx, p.back)
	p.started = true
	asks := p.asks
	p.asks = nil
	for _, a := range asks {
		if err := p.request(a.m, a.from); err != nil {
			p.o.Log.Print(err)
		}
	}
	for _, m := range p.waiting {
		p.forward(m)
	}
	p.waiting = nil
	p.next()
}

// gonbEnded reports the end of gonb to the running cell or the next, and has it
// started again.
func (p *Proxy) gonbEnded() error {
	k := p.back
	cause := k.gonb.Cause()
	wasReady := k.ready
	p.hbBack.Store(nil)
	k.close()
	p.back = nil
	clear(p.comms)
	p.o.Log.Printf("gonb ended: %s", cause)
	if err := p.history.Restart(); err != nil {
		p.o.Log.Print(err)
	}
	if !wasReady {
		if p.failures++; p.failures >= maxFailures {
			return fmt.Errorf("proxy: gonb ended %d times before it was ready, last with %s: its log says why", p.failures, cause)
		}
	}
	p.startAt = time.Now().Add(time.Duration(p.failures) * 300 * time.Millisecond)
	const cure = "It was started again: run the cells with your imports and declarations once more. The engine and its runs were not touched."
	if c := p.running; c != nil {
		p.fail(c, "KernelDied", "the Go kernel (gonb) ended while this cell ran: "+cause, cure)
		p.abortQueue()
	} else if wasReady {
		p.notice = "The Go kernel (gonb) ended between two cells: " + cause + ". " + cure + "\n"
	}
	return nil
}

// publish sends a message to all front-ends.
func (p *Proxy) publish(msgType string, parent *Message, content any) {
	m, err := p.key.New(p.session, msgType, parent, content)
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	p.broadcast(m)
}

// broadcast sends m on iopub under a topic as ipykernel's.
func (p *Proxy) broadcast(m *Message) {
	out := *m
	out.IDs = [][]byte{[]byte("kernel." + p.session + "." + m.Header.Type)}
	p.write(p.iopub, &out)
}

func (p *Proxy) write(s zmq4.Socket, m *Message) {
	if err := s.SendMulti(zmq4.NewMsgFrom(m.Frames()...)); err != nil {
		p.o.Log.Printf("proxy: send %s: %v", m.Header.Type, err)
	}
}

// forward passes a front-end's message to gonb as it came.
func (p *Proxy) forward(m *Message) { p.write(p.back.shell, m) }

// toGonb sends a request of the proxy's own; what answers it is told by its
// parent's session.
func (p *Proxy) toGonb(msgType string, content any) {
	m, err := p.key.New(p.session, msgType, nil, content)
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	p.forward(m)
}

// own reports whether gonb's message answers the proxy itself.
func (p *Proxy) own(m *Message) bool { return m.Parent.Session == p.session }

// field returns a field of a message's content.
func field(m *Message, name string) any {
	content := map[string]any{}
	decode(m, &content)
	return content[name]
}

// decode unmarshals a message's content; what does not fit keeps its default.
func decode(m *Message, into any) {
	_ = json.Unmarshal(m.Content, into)
}
