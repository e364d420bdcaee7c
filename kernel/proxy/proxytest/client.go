// Package proxytest is a Jupyter front-end for tests: it speaks the wire
// protocol to a kernel over real ZMQ sockets.
package proxytest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-zeromq/zmq4"

	"hhrlhf/kernel/proxy"
)

// TB is what a client needs of testing.TB, so that programs can be clients too.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// WriteConnection writes a connection file with free ports into dir, named as
// Jupyter names it, and returns its path.
func WriteConnection(t TB, dir string) string {
	t.Helper()
	var ports [5]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	c := proxy.Connection{Transport: "tcp", IP: "127.0.0.1", ShellPort: ports[0], ControlPort: ports[1],
		StdinPort: ports[2], IOPubPort: ports[3], HBPort: ports[4], Scheme: "hmac-sha256", Key: proxy.Key(random())}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	id := random()
	path := filepath.Join(dir, fmt.Sprintf("kernel-%s-%s-%s-%s-%s.json", id[:8], id[8:12], id[12:16], id[16:20], id[20:32]))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A Channel names one of a kernel's sockets.
type Channel int

// The channels that carry requests.
const (
	Shell Channel = iota
	Control
	Stdin
)

// A Client is a front-end attached to one kernel.
type Client struct {
	t       TB
	Key     proxy.Key
	Session string

	sockets [3]zmq4.Socket
	hb      zmq4.Socket
	beats   chan string

	mu      sync.Mutex
	changed chan struct{}     // closed and replaced at every message
	got     [3]map[string]any // by parent id: the reply of each channel
	pub     []*proxy.Message
	asked   []*proxy.Message
}

// Dial attaches to the kernel of a connection file and waits until it is ready.
func Dial(t TB, connectionFile string) *Client {
	t.Helper()
	conn, err := proxy.ReadConnection(connectionFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{t: t, Key: conn.Key, Session: random(), changed: make(chan struct{}), beats: make(chan string, 100)}
	opts := []zmq4.Option{zmq4.WithID(zmq4.SocketIdentity(c.Session)), zmq4.WithLogger(log.New(io.Discard, "", 0)),
		zmq4.WithDialerRetry(20 * time.Millisecond), zmq4.WithDialerMaxRetries(1000)}
	sub := zmq4.NewSub(ctx, opts...)
	c.hb = zmq4.NewDealer(ctx, opts...)
	for i := range c.sockets {
		c.sockets[i] = zmq4.NewDealer(ctx, opts...)
		c.got[i] = map[string]any{}
	}
	t.Cleanup(func() {
		cancel()
		for _, s := range append([]zmq4.Socket{sub, c.hb}, c.sockets[:]...) {
			s.Close()
		}
	})
	for _, s := range []struct {
		socket zmq4.Socket
		port   int
		take   func(*proxy.Message)
	}{
		{c.sockets[Shell], conn.ShellPort, func(m *proxy.Message) { c.got[Shell][m.Parent.ID] = m }},
		{c.sockets[Control], conn.ControlPort, func(m *proxy.Message) { c.got[Control][m.Parent.ID] = m }},
		{c.sockets[Stdin], conn.StdinPort, func(m *proxy.Message) { c.asked = append(c.asked, m) }},
		{sub, conn.IOPubPort, func(m *proxy.Message) { c.pub = append(c.pub, m) }},
	} {
		if err := s.socket.Dial(fmt.Sprintf("tcp://%s:%d", conn.IP, s.port)); err != nil {
			t.Fatal(err)
		}
		go c.receive(ctx, s.socket, s.take)
	}
	if err := sub.SetOption(zmq4.OptionSubscribe, ""); err != nil {
		t.Fatal(err)
	}
	if err := c.hb.Dial(fmt.Sprintf("tcp://%s:%d", conn.IP, conn.HBPort)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			m, err := c.hb.Recv()
			if err != nil {
				return
			}
			c.beats <- string(m.Frames[len(m.Frames)-1])
		}
	}()
	// Ready is a kernel that answers and whose iopub is heard.
	for deadline := time.Now().Add(60 * time.Second); ; {
		id := c.Send(Shell, "kernel_info_request", map[string]any{})
		if c.wait(2*time.Second, func() bool { return c.got[Shell][id] != nil && c.idle(id) }) {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal("kernel not ready after 60 s")
		}
	}
}

func (c *Client) receive(ctx context.Context, s zmq4.Socket, take func(*proxy.Message)) {
	for {
		raw, err := s.Recv()
		if err != nil || ctx.Err() != nil {
			return
		}
		m, err := c.Key.Parse(raw.Frames)
		if err != nil {
			c.t.Errorf("client received: %v", err)
			continue
		}
		c.mu.Lock()
		take(m)
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

// wait waits until cond, called with the lock held, is true.
func (c *Client) wait(limit time.Duration, cond func() bool) bool {
	timeout := time.After(limit)
	for {
		c.mu.Lock()
		ok, changed := cond(), c.changed
		c.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		}
	}
}

// idle reports whether the idle status of request id has come.
func (c *Client) idle(id string) bool {
	for _, m := range c.pub {
		if m.Parent.ID == id && m.Header.Type == "status" && field(m, "execution_state") == "idle" {
			return true
		}
	}
	return false
}

func field(m *proxy.Message, name string) any {
	content := map[string]any{}
	if err := json.Unmarshal(m.Content, &content); err != nil {
		return nil
	}
	return content[name]
}

// Send sends a request and returns its id.
func (c *Client) Send(ch Channel, msgType string, content any) string {
	c.t.Helper()
	m, err := c.Key.New(c.Session, msgType, nil, content)
	if err != nil {
		c.t.Fatal(err)
	}
	c.SendMessage(ch, m)
	return m.Header.ID
}

// SendMessage sends a message as it is.
func (c *Client) SendMessage(ch Channel, m *proxy.Message) {
	c.t.Helper()
	if err := c.sockets[ch].SendMulti(zmq4.NewMsgFrom(m.Frames()...)); err != nil {
		c.t.Fatal(err)
	}
}

// Reply waits for the reply to request id on a channel and returns its type
// and content; ok is false if none came in time.
func (c *Client) Reply(ch Channel, id string, limit time.Duration) (msgType string, content map[string]any, ok bool) {
	if !c.wait(limit, func() bool { return c.got[ch][id] != nil }) {
		return "", nil, false
	}
	c.mu.Lock()
	m := c.got[ch][id].(*proxy.Message)
	c.mu.Unlock()
	content = map[string]any{}
	if err := json.Unmarshal(m.Content, &content); err != nil {
		c.t.Errorf("content of %s: %v", m.Header.Type, err)
	}
	return m.Header.Type, content, true
}

// Ask sends a request and waits for its reply of the given type.
func (c *Client) Ask(ch Channel, msgType string, content any, wantType string) map[string]any {
	c.t.Helper()
	id := c.Send(ch, msgType, content)
	got, reply, ok := c.Reply(ch, id, 60*time.Second)
	if !ok {
		c.t.Fatalf("no reply to %s", msgType)
	}
	if got != wantType {
		c.t.Fatalf("reply to %s has type %s, want %s", msgType, got, wantType)
	}
	return reply
}

// Cell is the content of an execute_request with the usual fields.
func Cell(code string) map[string]any {
	return map[string]any{"code": code, "silent": false, "store_history": true, "allow_stdin": true,
		"stop_on_error": true, "user_expressions": map[string]any{}}
}

// A Result is what a cell gave.
type Result struct {
	Status         string // of the reply; empty if none came
	Reply          map[string]any
	Stdout, Stderr string
	Error          map[string]any // content of the error message, nil if none
	Types          []string       // of the iopub messages, in order
	Display        []map[string]any
	Value          map[string]any // data of the execute_result, nil if none
	Count          any            // its execution_count
	Took           time.Duration
}

// Result waits for the reply and the idle status of a cell.
func (c *Client) Result(id string, limit time.Duration) Result {
	began := time.Now()
	done := c.wait(limit, func() bool { return c.got[Shell][id] != nil && c.idle(id) })
	var r Result
	if done {
		_, r.Reply, _ = c.Reply(Shell, id, time.Second)
		r.Status, _ = r.Reply["status"].(string)
	}
	r.Took = time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.pub {
		if m.Parent.ID != id {
			continue
		}
		r.Types = append(r.Types, m.Header.Type)
		content := map[string]any{}
		if err := json.Unmarshal(m.Content, &content); err != nil {
			c.t.Errorf("content of %s: %v", m.Header.Type, err)
		}
		switch m.Header.Type {
		case "stream":
			if content["name"] == "stdout" {
				r.Stdout += content["text"].(string)
			} else {
				r.Stderr += content["text"].(string)
			}
		case "error":
			r.Error = content
		case "display_data":
			r.Display = append(r.Display, content)
		case "execute_result":
			if r.Value != nil {
				c.t.Errorf("a second execute_result: %v", content)
			}
			r.Value, _ = content["data"].(map[string]any)
			r.Count = content["execution_count"]
		}
	}
	return r
}

// Run executes a cell and waits up to two minutes for its end.
func (c *Client) Run(code string) Result {
	c.t.Helper()
	r := c.Result(c.Send(Shell, "execute_request", Cell(code)), 2*time.Minute)
	if r.Status == "" {
		c.t.Fatalf("cell %.60q: no reply and idle in 2 minutes; %+v", code, r)
	}
	return r
}

// WaitOutput waits until the running cell id has written text to its standard output.
func (c *Client) WaitOutput(id, text string, limit time.Duration) {
	c.t.Helper()
	ok := c.wait(limit, func() bool {
		var out string
		for _, m := range c.pub {
			if m.Parent.ID == id && m.Header.Type == "stream" {
				s, _ := field(m, "text").(string)
				out += s
			}
		}
		return strings.Contains(out, text)
	})
	if !ok {
		c.t.Fatalf("cell wrote no %q in %v; %+v", text, limit, c.Result(id, 0))
	}
}

// Statuses returns the execution states that iopub has carried for requests of
// the given type, whoever sent them.
func (c *Client) Statuses(parentType string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, m := range c.pub {
		if m.Header.Type == "status" && m.Parent.Type == parentType {
			s, _ := field(m, "execution_state").(string)
			out = append(out, s)
		}
	}
	return out
}

// Welcomed reports whether iopub has welcomed a subscription in time.
func (c *Client) Welcomed(limit time.Duration) bool {
	return c.wait(limit, func() bool {
		for _, m := range c.pub {
			if m.Header.Type == "iopub_welcome" && field(m, "subscription") == "" {
				return true
			}
		}
		return false
	})
}

// Question waits for an input_request and returns its prompt.
func (c *Client) Question(limit time.Duration) (*proxy.Message, string) {
	c.t.Helper()
	if !c.wait(limit, func() bool { return len(c.asked) > 0 }) {
		c.t.Fatalf("no input_request in %v", limit)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.asked[0]
	c.asked = c.asked[1:]
	prompt, _ := field(m, "prompt").(string)
	return m, prompt
}

// Answer replies to a question.
func (c *Client) Answer(question *proxy.Message, value string) {
	c.t.Helper()
	m, err := c.Key.New(c.Session, "input_reply", question, map[string]any{"value": value, "status": "ok"})
	if err != nil {
		c.t.Fatal(err)
	}
	m.IDs = nil // a dealer's socket adds its own
	c.SendMessage(Stdin, m)
}

// Beat reports whether the kernel's heart answers in time.
func (c *Client) Beat(limit time.Duration) bool {
	ping := random()
	if err := c.hb.SendMulti(zmq4.NewMsgFrom([]byte{}, []byte(ping))); err != nil {
		c.t.Fatal(err)
	}
	timeout := time.After(limit)
	for {
		select {
		case pong := <-c.beats:
			if pong == ping {
				return true
			}
		case <-timeout:
			return false
		}
	}
}
