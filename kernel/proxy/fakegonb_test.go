package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"hhrlhf/kernel/proxy"
	"hhrlhf/kernel/proxy/proxytest"
)

// A fakeGonb stands behind a proxy in place of gonb, over the same sockets. A cell's code
// is JSON: what it displays, and whether it goes on until it is released.
type fakeGonb struct {
	t       *testing.T
	conn    proxy.Connection
	shell   zmq4.Socket
	iopub   zmq4.Socket
	stdin   zmq4.Socket
	ready   atomic.Bool // to take an answer
	release chan struct{}
	exited  chan struct{}
	comms   chan string  // the types of the comm messages that reach it
	hushed  atomic.Int32 // kernel_info requests to come whose idle status gets lost
	idles   atomic.Int32 // that did not
	starts  atomic.Int32
}

// settling is how long a fake gonb takes from its question to where an answer is taken.
const settling = 50 * time.Millisecond

// A fakeCell is the code of a cell.
type fakeCell struct {
	Display map[string]any `json:"display"`
	Hold    bool           `json:"hold"`
	Ask     bool           `json:"ask"` // it ends when it has an answer
}

func (c fakeCell) code() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// startProxy runs a proxy in front of a fake gonb and attaches a front-end.
func startProxy(t *testing.T) (*proxytest.Client, *fakeGonb) {
	t.Helper()
	return startHushed(t, 0)
}

// startHushed is startProxy with a gonb whose first idle statuses get lost, as before
// a subscription takes effect.
func startHushed(t *testing.T, hushed int32) (*proxytest.Client, *fakeGonb) {
	t.Helper()
	dir, err := os.MkdirTemp("", "p") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := proxytest.WriteConnection(t, t.TempDir())
	conn, err := proxy.ReadConnection(file)
	if err != nil {
		t.Fatal(err)
	}
	g := &fakeGonb{t: t, release: make(chan struct{}), exited: make(chan struct{}), comms: make(chan string, 100)}
	g.hushed.Store(hushed)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- proxy.Run(ctx, proxy.Options{Connection: conn, ConnectionName: "kernel-x.json", Dir: dir, Version: "test",
			Log: log.New(io.Discard, "", 0), Start: func(file string) (*proxy.Gonb, error) {
				g.starts.Add(1)
				if err := g.serve(ctx, file); err != nil {
					return nil, err
				}
				return &proxy.Gonb{PID: os.Getpid(), Exited: g.exited, Cause: func() string { return "killed" }}, nil
			}})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return proxytest.Dial(t, file), g
}

// serve binds gonb's sockets and answers until ctx ends.
func (g *fakeGonb) serve(ctx context.Context, file string) error {
	var err error
	if g.conn, err = proxy.ReadConnection(file); err != nil {
		return err
	}
	opt := zmq4.WithLogger(log.New(io.Discard, "", 0))
	g.shell, g.iopub = zmq4.NewRouter(ctx, opt), zmq4.NewPub(ctx, opt)
	g.stdin = zmq4.NewRouter(ctx, opt)
	hb, control := zmq4.NewRouter(ctx, opt), zmq4.NewRouter(ctx, opt)
	for i, s := range []zmq4.Socket{g.shell, control, g.stdin, g.iopub, hb} {
		if err := s.Listen(fmt.Sprintf("ipc://%s-%d", g.conn.IP, i+1)); err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { s.Close() })
	}
	go func() {
		for {
			raw, err := g.shell.Recv()
			if err != nil {
				return
			}
			m, err := g.conn.Key.Parse(raw.Frames)
			if err != nil {
				g.t.Errorf("fake gonb: %v", err)
				continue
			}
			g.take(m)
		}
	}()
	go func() {
		for {
			if _, err := g.stdin.Recv(); err != nil {
				return
			}
			if g.ready.Load() { // else it is lost, as with gonb
				g.release <- struct{}{}
			}
		}
	}()
	return nil
}

func (g *fakeGonb) send(s zmq4.Socket, msgType string, parent *proxy.Message, content any) {
	m, err := g.conn.Key.New("gonb", msgType, parent, content)
	if err != nil {
		g.t.Error(err)
		return
	}
	if err := s.SendMulti(zmq4.NewMsgFrom(m.Frames()...)); err != nil {
		g.t.Logf("fake gonb: %v", err)
	}
}

func (g *fakeGonb) take(m *proxy.Message) {
	status := func(s string) { g.send(g.iopub, "status", m, map[string]any{"execution_state": s}) }
	switch m.Header.Type {
	case "comm_open", "comm_msg", "comm_close":
		g.comms <- m.Header.Type
	case "kernel_info_request":
		status("busy")
		g.send(g.shell, "kernel_info_reply", m, map[string]any{"status": "ok"})
		if g.hushed.Add(-1) < 0 {
			g.idles.Add(1)
			status("idle")
		}
	case "execute_request":
		var q struct{ Code string }
		var c fakeCell
		if json.Unmarshal(m.Content, &q) != nil || json.Unmarshal([]byte(q.Code), &c) != nil {
			g.t.Errorf("fake gonb: cell %s", m.Content)
		}
		status("busy")
		if c.Display != nil {
			g.send(g.iopub, "display_data", m, map[string]any{"data": c.Display, "metadata": map[string]any{}, "transient": map[string]any{}})
		}
		end := func() {
			g.send(g.shell, "execute_reply", m, map[string]any{"status": "ok", "execution_count": 1})
			status("idle")
		}
		if c.Ask {
			g.send(g.stdin, "input_request", m, map[string]any{"prompt": "which? ", "password": false})
			time.AfterFunc(settling, func() { g.ready.Store(true) })
		}
		if !c.Hold && !c.Ask {
			end()
			return
		}
		go func() {
			<-g.release
			end()
		}()
	}
}
