package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

const (
	// patience is how long an ended call is given to reach its step boundary.
	// GoNB kills a cell 5 s after an interrupt, and there is an error to print.
	patience = 4 * time.Second
	// quiet is how long a call waits for the device before the cell says so.
	quiet = 2 * time.Second

	statusOK = 200
)

// errInterrupt is the cause of a context that SIGINT ended.
var errInterrupt error = interrupted{}

type interrupted struct{}

func (interrupted) Error() string { return "interrupted" }
func (interrupted) Unwrap() error { return context.Canceled }

// A call is one request under way.
type call struct {
	s        *Session
	what, id string
	ctx      context.Context // of the caller: ends the call at a step boundary
	conn     context.Context // of the connection: ends it now
	hangUp   context.CancelFunc
	cleanup  []func()
}

// begin starts a call. It may outlive the caller's context by patience.
func (s *Session) begin(what string) *call {
	ctx, cancel := context.WithCancelCause(s.ctx)
	conn, hangUp := context.WithCancel(context.Background())
	c := &call{
		s: s, what: what, ctx: ctx, conn: conn, hangUp: hangUp,
		// Two cells that draw one id would end each other's calls: 64 bits and the pid do.
		id: fmt.Sprintf("%d-%x", os.Getpid(), rand.Uint64()),
	}
	unwatch := interrupts.enter(cancel)
	stop := context.AfterFunc(ctx, func() { c.stop(nil) })
	c.cleanup = []func(){func() { stop() }, hangUp, func() { cancel(nil) }, unwatch}
	return c
}

// end releases the call, and hangs up if it is still going on.
func (c *call) end() {
	for _, f := range c.cleanup {
		f()
	}
}

// stop asks the engine to end the call at the next step boundary until ended is
// closed or the connection is, and hangs up when patience is over.
func (c *call) stop(ended <-chan struct{}) {
	limit := time.AfterFunc(patience, c.hangUp) // also where the engine does not answer at all
	defer limit.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for asked := false; ; {
		// Until the engine has seen the call itself it does not know it.
		if !asked {
			asked = c.about("DELETE", nil) == nil
		}
		select {
		case <-ended:
			return
		case <-c.conn.Done():
			return
		case <-again.C:
		}
	}
}

// about makes a request that concerns this call.
func (c *call) about(method string, v any) error {
	resp, err := c.s.roundTrip(c.conn, method, "/v1/calls/"+c.id, nil, nil)
	if err != nil {
		return err
	}
	defer resp.close()
	if resp.status != statusOK {
		return errors.New(resp.line)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.body).Decode(v)
}

// send sends the request and returns the reply once it begins. It waits for an
// engine that is starting.
func (c *call) send(method, path string, body any) (*reply, error) {
	if err := context.Cause(c.ctx); err != nil {
		return nil, c.ended(err)
	}
	var text []byte
	if body != nil {
		if err := wire.CheckFinite(body); err != nil {
			return nil, fmt.Errorf("lab: %s: %w: only finite numbers can be sent to the engine", c.what, err)
		}
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("lab: %s: %w", c.what, err)
		}
	}
	header := map[string]string{
		wire.HeaderProtocol: wire.ProtocolID(),
		wire.HeaderVersion:  wire.Version(),
		wire.HeaderClient:   client(),
		wire.HeaderCall:     c.id,
	}
	start := time.Now()
	told := false
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		resp, err := c.s.roundTrip(c.conn, method, path, header, text)
		switch {
		case err == nil:
			return c.check(resp)
		case c.ctx.Err() != nil:
			return nil, c.ended(context.Cause(c.ctx))
		case !starting(err) || c.s.o.Socket == "":
			var op *net.OpError
			if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, socket.ErrUnsafe) || c.s.o.Socket == "" {
				return nil, c.s.noEngine(err, 0)
			}
			return nil, c.s.died(c.what, err)
		case time.Since(start) > c.s.o.Wait:
			return nil, c.s.noEngine(err, c.s.o.Wait)
		case time.Since(start) > quiet && !told:
			told = true
			fmt.Fprintln(os.Stderr, "waiting for the engine to start ...")
		}
		select {
		case <-c.ctx.Done():
			return nil, c.ended(context.Cause(c.ctx))
		case <-time.After(pause):
		}
	}
}

// client says who calls, for people: "pid 123", in a notebook "pid 123 of 09_ppo_run".
func client() string {
	text := fmt.Sprintf("pid %d", os.Getpid())
	if name := socket.Notebook(); name != "" {
		text += " of " + name
	}
	return text
}

// starting says whether err is what one sees before an engine listens. Nothing
// was sent then, so the call can be made again.
func starting(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// check returns the reply, or the error that it is.
func (c *call) check(resp *reply) (*reply, error) {
	theirs := resp.header.Get(wire.HeaderProtocol)
	if theirs != wire.ProtocolID() {
		resp.close()
		return nil, fmt.Errorf("lab: %w", c.differ(theirs, resp.header.Get(wire.HeaderVersion)))
	}
	if resp.status == statusOK {
		return resp, nil
	}
	defer resp.close()
	e := new(Error)
	text, err := io.ReadAll(resp.body)
	if err == nil {
		err = json.Unmarshal(text, e)
	}
	if err != nil {
		return nil, fmt.Errorf("lab: %s: the engine answered %q with a body that cannot be read: %w", c.what, resp.line, err)
	}
	return nil, c.remote(e)
}

// differ explains that the engine was built from another protocol. What it consists
// of is asked; an engine that is too old to say leaves that out.
func (c *call) differ(id, version string) error {
	engine := wire.End{ID: id, Version: version}
	if resp, err := c.s.roundTrip(c.conn, "GET", "/v1/version", nil, nil); err == nil {
		var hello wire.Hello
		if json.NewDecoder(io.LimitReader(resp.body, 1<<20)).Decode(&hello) == nil {
			engine.Shape = hello.Shape
		}
		resp.close()
	}
	return wire.CheckProtocol(engine, wire.Here())
}

// remote returns the engine's error as the caller should see it.
func (c *call) remote(e *Error) error {
	if e.Kind == wire.KindInterrupted {
		return &endedError{text: e.Message, engine: e, cause: c.cause()}
	}
	if e.Kind == wire.KindShutdown && !c.s.owned() {
		return fmt.Errorf("%w. It is not this kernel's own engine: %s", e, elsewhere)
	}
	return e
}

// cause says why the call was ended: context.Canceled or DeadlineExceeded.
func (c *call) cause() error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	return context.Canceled
}

// ended is the error of a call that was ended before the engine said at which
// step.
func (c *call) ended(cause error) error {
	return &endedError{text: fmt.Sprintf("%s ended (%v); the run is kept: run the cell again to go on", c.what, cause), cause: cause}
}

// An endedError is that of a call which the caller ended.
type endedError struct {
	text   string
	engine *Error // nil if the engine did not get to say so
	cause  error
}

func (e *endedError) Error() string { return e.text }

func (e *endedError) Unwrap() []error {
	if e.engine == nil {
		return []error{e.cause}
	}
	return []error{e.engine, e.cause}
}

// ask makes a call whose reply is one value.
func ask[T any](s *Session, what, method, path string, body any) (T, error) {
	var v T
	c := s.begin(what)
	defer c.end()
	if method != "GET" {
		t := time.AfterFunc(quiet, c.announce)
		defer t.Stop()
	}
	resp, err := c.send(method, path, body)
	if err != nil {
		return v, err
	}
	defer resp.close()
	if err := json.NewDecoder(resp.body).Decode(&v); err != nil {
		if c.ctx.Err() != nil {
			return v, c.ended(context.Cause(c.ctx))
		}
		return v, s.died(what, err)
	}
	return v, nil
}

// announce tells the reader of the cell what the call waits for, if it does.
func (c *call) announce() {
	var state wire.Call
	if err := c.about("GET", &state); err == nil && state.Waiting != "" {
		fmt.Fprintf(os.Stderr, "%s: waiting, %s\n", c.what, state.Waiting)
	}
}

// events makes a call whose reply is a stream.
func (s *Session) events(what, method, path string, body any) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		c := s.begin(what)
		defer c.end()
		resp, err := c.send(method, path, body)
		if err != nil {
			yield(rlhf.Event{}, err)
			return
		}
		defer resp.close()
		d := json.NewDecoder(resp.body)
		last := 0
		for {
			var line wire.Line
			err := d.Decode(&line)
			switch {
			case err == nil && line.End:
				return
			case err != nil && c.ctx.Err() != nil:
				yield(rlhf.Event{Step: last}, c.ended(context.Cause(c.ctx)))
				return
			case err != nil:
				yield(rlhf.Event{Step: last}, s.died(what, err))
				return
			case line.Err != nil:
				yield(rlhf.Event{Step: last}, c.remote(line.Err))
				return
			}
			last = line.Step
			if !yield(line.ToEvent(), nil) {
				c.settle(resp.body)
				return
			}
		}
	}
}

// settle ends a stream whose reader has had enough, and waits for the step in
// progress, so that what the caller asks next is asked of a run at rest.
func (c *call) settle(body io.Reader) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, body)
	}()
	c.stop(ended)
	<-ended // the connection is closed if stop lost patience
}
