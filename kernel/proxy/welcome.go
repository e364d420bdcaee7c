package proxy

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/transport"
)

// A front-end that subscribes to iopub is sent an iopub_welcome (protocol 5.4),
// so that it knows when it can hear. zmq4 keeps subscriptions to itself, on its
// XPUB socket too, but lets its transports be wrapped: the proxy listens to what
// comes in on iopub's connections.

// heard is what iopub's transports are called by.
const heard = "heard-"

func init() {
	for _, network := range []string{"tcp", "ipc"} {
		under := transport.New(map[string]string{"tcp": "tcp", "ipc": "unix"}[network])
		if err := zmq4.RegisterTransport(heard+network, &ears{Transport: under}); err != nil {
			panic(err) // two packages took one name: a mistake in the program
		}
	}
}

// subscribed has the functions to call with a new subscription, by the address
// that is listened on.
var subscribed sync.Map

// ears is a transport whose connections are listened to.
type ears struct{ transport.Transport }

func (e *ears) Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := e.Transport.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	f, _ := subscribed.Load(addr)
	tell, _ := f.(func(topic string))
	return &ear{l, tell}, nil
}

type ear struct {
	net.Listener
	tell func(topic string)
}

func (e *ear) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil || e.tell == nil {
		return c, err
	}
	return &earConn{Conn: c, ear: subscriptions{tell: e.tell, skip: greeting}}, nil
}

type earConn struct {
	net.Conn
	ear subscriptions
}

func (c *earConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.ear.hear(b[:n])
	return n, err
}

const (
	greeting = 64  // bytes before the first frame (ZMTP 3.0)
	maxTopic = 256 // bytes of a frame that are looked at
)

// subscriptions reads ZMTP 3.0 frames for messages that subscribe: a byte of
// flags, the body's length in one byte or, by flag, eight, and the body, here 1
// and the topic.
type subscriptions struct {
	tell func(topic string)
	skip uint64 // bytes until the next frame
	head []byte // of the frame, as far as it has come
	body []byte
	left uint64 // bytes of the body to come
	in   bool   // a body
}

const (
	flagLong    = 2
	flagCommand = 4
)

func (s *subscriptions) hear(b []byte) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(b)))
			s.skip, b = s.skip-n, b[n:]
			continue
		}
		if !s.in {
			s.head, b = append(s.head, b[0]), b[1:]
			switch long := s.head[0]&flagLong != 0; {
			case !long && len(s.head) == 2:
				s.left, s.in = uint64(s.head[1]), true
			case long && len(s.head) == 9:
				s.left, s.in = binary.BigEndian.Uint64(s.head[1:]), true
			}
		}
		if s.in {
			n := min(s.left, uint64(len(b)))
			if room := maxTopic - len(s.body); room > 0 {
				s.body = append(s.body, b[:min(n, uint64(room))]...)
			}
			s.left, b = s.left-n, b[n:]
			if s.left == 0 {
				if s.head[0]&flagCommand == 0 && len(s.body) > 0 && s.body[0] == 1 {
					s.tell(string(s.body[1:]))
				}
				s.head, s.body, s.in = s.head[:0], s.body[:0], false
			}
		}
	}
}

// welcomeAfter is how long zmq4 has to note a subscription that was heard.
const welcomeAfter = 50 * time.Millisecond

// welcoming returns the endpoint to bind iopub to so that subscribers are
// welcomed, and what to call when it is closed.
func (p *Proxy) welcoming(ctx context.Context, endpoint string) (heardEndpoint string, forget func()) {
	_, addr, _ := strings.Cut(endpoint, "://")
	subscribed.Store(addr, func(topic string) {
		time.AfterFunc(welcomeAfter, func() {
			p.send(ctx, event{from: ownWork, do: func() { p.welcome(topic) }})
		})
	})
	return heard + endpoint, func() { subscribed.Delete(addr) }
}

// welcome answers a subscription, under its topic.
func (p *Proxy) welcome(topic string) {
	m, err := p.key.New(p.session, "iopub_welcome", nil, map[string]any{"subscription": topic})
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	m.IDs = [][]byte{[]byte(topic)}
	p.write(p.iopub, m)
}
