package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// A Connection is the content of a Jupyter connection file.
type Connection struct {
	Transport   string `json:"transport"` // "tcp" or "ipc"
	IP          string `json:"ip"`        // for ipc: the path that the ports are appended to
	ShellPort   int    `json:"shell_port"`
	ControlPort int    `json:"control_port"`
	StdinPort   int    `json:"stdin_port"`
	IOPubPort   int    `json:"iopub_port"`
	HBPort      int    `json:"hb_port"`
	Scheme      string `json:"signature_scheme"` // "hmac-sha256", or empty
	Key         Key    `json:"key"`              // empty: messages are not signed
}

// ReadConnection reads and checks a connection file.
func ReadConnection(path string) (Connection, error) {
	var c Connection
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("proxy: connection file: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("proxy: connection file %s: %w", path, err)
	}
	if c.Transport != "tcp" && c.Transport != "ipc" {
		return c, fmt.Errorf("proxy: connection file %s: transport = %q, want tcp or ipc", path, c.Transport)
	}
	if c.Scheme != "" && c.Scheme != "hmac-sha256" {
		return c, fmt.Errorf("proxy: connection file %s: signature_scheme = %q, want hmac-sha256", path, c.Scheme)
	}
	for _, p := range []struct {
		name string
		port int
	}{{"shell_port", c.ShellPort}, {"control_port", c.ControlPort}, {"stdin_port", c.StdinPort},
		{"iopub_port", c.IOPubPort}, {"hb_port", c.HBPort}} {
		if p.port <= 0 || p.port > 65535 {
			return c, fmt.Errorf("proxy: connection file %s: %s = %d, want 1 to 65535", path, p.name, p.port)
		}
	}
	return c, nil
}

// endpoint returns the ZMQ address of one of the connection's ports.
func (c Connection) endpoint(port int) string {
	if c.Transport == "ipc" {
		return fmt.Sprintf("ipc://%s-%d", c.IP, port)
	}
	return fmt.Sprintf("tcp://%s:%d", c.IP, port)
}

// A Header is a message's header, or its parent's.
type Header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"`
	Username string `json:"username"`
	Date     string `json:"date"`
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
}

// A Message is one message of the Jupyter wire protocol.
type Message struct {
	IDs     [][]byte // return identities, or the topic on iopub
	Header  Header
	Parent  Header // zero if the message answers nothing
	Content json.RawMessage

	// parts are the frames header, parent header, metadata, content and
	// buffers as they came, signature the frame before them.
	signature []byte
	parts     [][]byte
}

// A Key signs messages with HMAC-SHA256. The empty key signs nothing and
// accepts everything, as the protocol says.
type Key string

// ErrSignature is the error of [Key.Parse] for a message signed with another key.
var ErrSignature = errors.New("signature does not match the connection's key")

var delimiter = []byte("<IDS|MSG>")

// sign returns the hex signature over the four dictionaries of a message.
func (k Key) sign(parts [][]byte) []byte {
	if k == "" {
		return []byte{}
	}
	mac := hmac.New(sha256.New, []byte(k))
	for _, p := range parts[:4] {
		mac.Write(p)
	}
	return []byte(hex.EncodeToString(mac.Sum(nil)))
}

// Parse reads a message from its ZMQ frames and verifies its signature.
func (k Key) Parse(frames [][]byte) (*Message, error) {
	at := -1
	for i, f := range frames {
		if bytes.Equal(f, delimiter) {
			at = i
			break
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("proxy: message of %d frames has no %s", len(frames), delimiter)
	}
	if len(frames) < at+6 {
		return nil, fmt.Errorf("proxy: message has %d frames after %s, want 5 or more", len(frames)-at-1, delimiter)
	}
	m := &Message{IDs: frames[:at], signature: frames[at+1], parts: frames[at+2:], Content: frames[at+5]}
	if k != "" && !hmac.Equal(m.signature, k.sign(m.parts)) {
		return nil, fmt.Errorf("proxy: %w", ErrSignature)
	}
	for i, name := range []string{"header", "parent_header", "metadata", "content"} {
		p := bytes.TrimSpace(m.parts[i])
		if len(p) == 0 || p[0] != '{' || !json.Valid(p) {
			return nil, fmt.Errorf("proxy: %s is not a JSON object: %.40q", name, p)
		}
	}
	if err := json.Unmarshal(m.parts[0], &m.Header); err != nil {
		return nil, fmt.Errorf("proxy: header: %w", err)
	}
	if err := json.Unmarshal(m.parts[1], &m.Parent); err != nil {
		return nil, fmt.Errorf("proxy: parent_header: %w", err)
	}
	if m.Header.Type == "" || m.Header.ID == "" {
		return nil, fmt.Errorf("proxy: header without msg_type or msg_id: %.80q", m.parts[0])
	}
	return m, nil
}

// Frames returns the message as ZMQ frames: as it came, unless [Key.SetContent]
// changed it.
func (m *Message) Frames() [][]byte {
	out := make([][]byte, 0, len(m.IDs)+2+len(m.parts))
	out = append(out, m.IDs...)
	out = append(out, delimiter, m.signature)
	return append(out, m.parts...)
}

// SetContent replaces the message's content and signs it anew.
func (k Key) SetContent(m *Message, content any) error {
	b, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("proxy: content of %s: %w", m.Header.Type, err)
	}
	parts := append([][]byte{}, m.parts...)
	parts[3] = b
	m.Content, m.parts, m.signature = b, parts, k.sign(parts)
	return nil
}

// New returns a signed message of the given type that answers parent, which
// may be nil. session names the sender.
func (k Key) New(session, msgType string, parent *Message, content any) (*Message, error) {
	m := &Message{Header: Header{
		ID: newID(), Session: session, Username: "kernel", Type: msgType, Version: protocolVersion,
		Date: time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"),
	}}
	header, err := json.Marshal(m.Header)
	if err != nil {
		return nil, fmt.Errorf("proxy: header of %s: %w", msgType, err)
	}
	// The parent's header goes back as it came: front-ends may put more into it.
	parentHeader := []byte("{}")
	if parent != nil {
		m.IDs, m.Parent, parentHeader = parent.IDs, parent.Header, parent.parts[0]
	}
	m.parts = [][]byte{header, parentHeader, []byte("{}"), nil}
	return m, k.SetContent(m, content)
}

// protocolVersion is the version of the messaging protocol that the proxy
// speaks in its own messages.
const protocolVersion = "5.4"

// newID returns a random identifier in the form of a UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
