package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"hhrlhf/kernel/engine/socket"
)

// A reply is the engine's answer to one request. Its body ends where the
// connection does.
type reply struct {
	status int
	line   string // e.g. "404 Not Found"
	header textproto.MIMEHeader
	body   io.Reader
	close  func()
}

// roundTrip makes one request over a connection of its own, which costs
// microseconds and is never stale, and ends with ctx. It speaks HTTP/1.0 by hand:
// net/http would bring TLS and HTTP/2 along, whose linking doubles the time that
// every cell takes to build.
func (s *Session) roundTrip(ctx context.Context, method, path string, header map[string]string, body []byte) (_ *reply, err error) {
	conn, err := socket.Dial(ctx, s.o.Socket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	r := &reply{close: func() { stop(); conn.Close() }}
	defer func() {
		if err != nil {
			r.close()
		}
	}()

	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.0\r\nHost: engine\r\nContent-Length: %d\r\n", method, path, len(body))
	for key, value := range header {
		fmt.Fprintf(&head, "%s: %s\r\n", key, value)
	}
	head.WriteString("\r\n")
	out := net.Buffers{head.Bytes(), body}
	// An engine that refuses a body answers without reading all of it, so the
	// answer counts even if not everything could be written.
	_, writeErr := out.WriteTo(conn)

	b := bufio.NewReader(conn)
	t := textproto.NewReader(b)
	line, err := t.ReadLine()
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		return nil, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	if r.status, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(version, "HTTP/1.") {
		return nil, fmt.Errorf("what answers is not an engine: %.40q", line)
	}
	if r.header, err = t.ReadMIMEHeader(); err != nil {
		return nil, err
	}
	r.line, r.body = rest, b
	return r, nil
}
