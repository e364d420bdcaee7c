package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-zeromq/zmq4"
)

// Gonb is a running stock gonb, as [Options.Start] returns it.
type Gonb struct {
	PID    int
	Temp   string          // its TMPDIR: GONB_TMP_DIR lies in it
	Gopls  bool            // it starts a gopls, which listens in GONB_TMP_DIR
	Exited <-chan struct{} // closed when it has ended
	Cause  func() string   // after Exited: how it ended, such as "signal: killed"
}

// A back is the proxy's connection to one life of gonb.
type back struct {
	gen    int
	gonb   *Gonb
	dir    string
	cancel context.CancelFunc

	shell, stdin, iopub, hb zmq4.Socket // nil until connected

	connected bool
	probed    bool // the probe's reply has come
	ready     bool // and its idle status: both directions work
	nextProbe time.Time

	assistant *assistant // nil until gonb is ready
	ctx       context.Context
}

// source says where an event comes from.
type source int

const (
	frontShell source = iota
	frontControl
	frontStdin
	backShell
	backStdin
	backIOPub
	backConnected
	backExited
	ownWork // of the proxy itself, for the loop to do
)

type event struct {
	from source
	gen  int // of back events
	msg  *Message
	err  error
	do   func() // of ownWork
}

// startBack starts gonb on a private connection file and connects to it in the
// background; the events backConnected and backExited tell how that went.
func (p *Proxy) startBack(ctx context.Context) error {
	p.gen++
	dir := filepath.Join(p.o.Dir, strconv.Itoa(p.gen))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	// Unix sockets: no port to race for, and the folder's mode guards them.
	conn := Connection{Transport: "ipc", IP: filepath.Join(dir, "s"), Scheme: "hmac-sha256", Key: p.key,
		ShellPort: 1, ControlPort: 2, StdinPort: 3, IOPubPort: 4, HBPort: 5}
	b, err := json.Marshal(conn)
	if err != nil {
		return fmt.Errorf("proxy: private connection file: %w", err)
	}
	file := filepath.Join(dir, p.o.ConnectionName)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return fmt.Errorf("proxy: private connection file: %w", err)
	}
	gonb, err := p.o.Start(file)
	if err != nil {
		return fmt.Errorf("proxy: start gonb: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	k := &back{gen: p.gen, gonb: gonb, dir: dir, cancel: cancel, ctx: ctx}
	p.back = k
	go func() {
		select {
		case <-gonb.Exited:
			p.send(ctx, event{from: backExited, gen: k.gen})
		case <-ctx.Done():
		}
	}()
	go func() {
		err := p.connect(ctx, k, conn)
		if ctx.Err() == nil {
			p.send(ctx, event{from: backConnected, gen: k.gen, err: err})
		}
	}()
	return nil
}

// connect waits for gonb's sockets and dials them.
func (p *Proxy) connect(ctx context.Context, k *back, conn Connection) error {
	for port := 1; port <= 5; port++ {
		path := fmt.Sprintf("%s-%d", conn.IP, port)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("proxy: gonb opened no socket %s in 30 s", path)
			}
		}
	}
	// gonb sends input requests and control replies to the shell's peer.
	id := zmq4.WithID(zmq4.SocketIdentity("proxy-" + p.session))
	logger := zmq4.WithLogger(p.o.Log)
	k.shell = zmq4.NewDealer(ctx, id, logger)
	k.stdin = zmq4.NewDealer(ctx, id, logger)
	k.iopub = zmq4.NewSub(ctx, logger)
	k.hb = zmq4.NewDealer(ctx, logger)
	for _, s := range []struct {
		socket zmq4.Socket
		port   int
		from   source
	}{{k.iopub, 4, backIOPub}, {k.stdin, 3, backStdin}, {k.shell, 1, backShell}, {k.hb, 5, -1}} {
		if err := s.socket.Dial(conn.endpoint(s.port)); err != nil {
			return fmt.Errorf("proxy: connect to gonb: %w", err)
		}
		if s.from >= 0 {
			go p.pump(ctx, s.socket, s.from, k.gen)
		}
	}
	if err := k.iopub.SetOption(zmq4.OptionSubscribe, ""); err != nil {
		return fmt.Errorf("proxy: subscribe to gonb: %w", err)
	}
	go p.beat(ctx, k.hb)
	p.hbBack.Store(&k.hb)
	return nil
}

// close ends the connection; gonb itself is the caller's.
func (k *back) close() {
	k.cancel()
	for _, s := range []zmq4.Socket{k.shell, k.stdin, k.iopub, k.hb} {
		if s != nil {
			s.Close()
		}
	}
	os.RemoveAll(k.dir)
}

// pump turns a socket's messages into events.
func (p *Proxy) pump(ctx context.Context, s zmq4.Socket, from source, gen int) {
	for {
		raw, err := s.Recv()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				p.o.Log.Printf("proxy: receive (socket %d): %v", from, err)
			}
			return
		}
		m, err := p.key.Parse(raw.Frames)
		if err != nil {
			p.o.Log.Printf("refused a message: %v", err)
			continue
		}
		p.send(ctx, event{from: from, gen: gen, msg: m})
	}
}

func (p *Proxy) send(ctx context.Context, e event) {
	select {
	case p.events <- e:
	case <-ctx.Done():
	}
}

// The heartbeat goes through to gonb and back. A ping that finds no gonb is
// dropped: that is what the front-end's watch is for.
func (p *Proxy) pumpHeartbeat(ctx context.Context) {
	for {
		ping, err := p.hb.Recv()
		if ctx.Err() != nil || err != nil {
			return
		}
		// gonb's REP socket stops gonb at a ping without an envelope.
		if len(ping.Frames) < 3 || len(ping.Frames[len(ping.Frames)-2]) != 0 {
			continue
		}
		if s := p.hbBack.Load(); s != nil {
			if err := (*s).Send(ping); err != nil {
				p.o.Log.Printf("proxy: heartbeat: %v", err)
			}
		}
	}
}

func (p *Proxy) beat(ctx context.Context, s zmq4.Socket) {
	for {
		pong, err := s.Recv()
		if ctx.Err() != nil || err != nil {
			return
		}
		if err := p.hb.Send(pong); err != nil {
			p.o.Log.Printf("proxy: heartbeat: %v", err)
		}
	}
}
