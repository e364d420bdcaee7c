// Package wire holds what the two ends of an engine's socket must agree on:
// the protocol's number and fingerprint, the headers, the bodies, and how an
// event becomes one line of JSON.
//
// The nouns themselves are those of package rlhf. Numbers arrive as they were
// sent: float32 and float64 are written with as many digits as they need, so
// they survive bit for bit. JSON has no NaN and no infinity; a [Point] carries
// them as strings, because a metric may well be undefined, and everywhere else
// [CheckFinite] refuses them by name. Text is UTF-8: a byte that is not arrives
// as U+FFFD, which is why the nouns hold valid text only.
package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"

	"hhrlhf/rlhf"
)

// Headers of a request (Client, Call) and of both directions (Protocol, Version).
const (
	HeaderProtocol = "X-RLHF-Protocol" // ProtocolID of the sender
	HeaderVersion  = "X-RLHF-Version"  // Version of the sender
	HeaderClient   = "X-RLHF-Client"   // who calls, for people: "pid 123"
	HeaderCall     = "X-RLHF-Call"     // names the call, so that DELETE /v1/calls/{id} can end it
)

// Kinds of [Error].
const (
	KindLab         = "lab"         // the lab returned this error
	KindInvalid     = "invalid"     // the request cannot be read
	KindNotFound    = "not_found"   // no such run, call or path
	KindTooLarge    = "too_large"   // the body exceeds the limit
	KindProtocol    = "protocol"    // the two ends were built from different protocols
	KindInterrupted = "interrupted" // the caller ended the call
	KindShutdown    = "shutdown"    // the engine is shutting down
	KindForbidden   = "forbidden"   // the caller is another user of the machine
	KindPanic       = "panic"       // a bug; its stack is in the engine's log
)

// An Error is the body of a reply that is not a success, and the last line of a
// stream that did not reach its end.
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"error"`
	Step    int    `json:"step,omitempty"` // steps done when a stretch was interrupted
	Of      int    `json:"of,omitempty"`   // where it would have ended
}

// Error returns the message alone: it is the same text as in process.
func (e *Error) Error() string { return e.Message }

// Bodies of requests that are not one of rlhf's nouns.
type (
	// Steps asks for N more steps.
	Steps struct {
		N int `json:"n"`
	}
	// Sample asks for one response to each prompt.
	Sample struct {
		Prompts  []string      `json:"prompts"`
		Sampling rlhf.Sampling `json:"sampling"`
	}
	// BestOf asks for K responses of a policy to each prompt.
	BestOf struct {
		Policy   string        `json:"policy"`
		Prompts  []string      `json:"prompts"`
		K        int           `json:"k"`
		Sampling rlhf.Sampling `json:"sampling"`
	}
	// Name says how something is to be called.
	Name struct {
		Name string `json:"name"`
	}
	// Score asks for the score of each transcript.
	Score struct {
		Transcripts []rlhf.Transcript `json:"transcripts"`
	}
	// Probe asks for activations of at most rlhf.ProbedAtOnce texts.
	Probe struct {
		Texts []string   `json:"texts"`
		Probe rlhf.Probe `json:"probe"`
	}
	// Text asks for what a model makes of a text.
	Text struct {
		Text     string        `json:"text"`
		Sampling rlhf.Sampling `json:"sampling"`
	}
	// Chat asks for the answer to the last of the turns.
	Chat struct {
		Turns    []rlhf.Turn   `json:"turns"`
		Sampling rlhf.Sampling `json:"sampling"`
	}
	// Corpus names data and how many rows of it to use at most.
	Corpus struct {
		Data string `json:"data"`
		Rows int    `json:"rows"`
	}
	// Count asks for N of something.
	Count struct {
		N int `json:"n"`
	}
)

// Hello is the reply to GET /v1/version.
type Hello struct {
	Protocol string `json:"protocol"`
	Version  string `json:"version"`
	PID      int    `json:"pid"`
	// Shape is what the engine's protocol consists of, to find out in what two differ.
	Shape map[string]string `json:"shape,omitempty"`
}

// Call is the reply to GET /v1/calls/{id}: Waiting says behind what the call
// stands in line, and is empty once it runs.
type Call struct {
	Waiting string `json:"waiting"`
}

// Stopped is the reply to POST /v1/runs/{name}/stop: the calls on the run that were
// ended, each as far as it had come, and the step at which the run then was.
type Stopped struct {
	Calls []rlhf.Job `json:"calls"`
	Step  int        `json:"step"`
}

// A Line is one line of a stream: an event; or last, and alone in its line, the
// error that ended the stretch, or End where there was none. A stream without a
// last line was cut off.
type Line struct {
	rlhf.Event
	Point *Point `json:"point,omitempty"` // takes the place of Event.Point
	Err   *Error `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"`
}

// EventLine returns the line that carries an event.
func EventLine(ev rlhf.Event) Line {
	l := Line{Event: ev}
	if ev.Point != nil {
		p := PointOf(*ev.Point)
		l.Point, l.Event.Point = &p, nil
	}
	return l
}

// ToEvent returns the event that the line carries.
func (l Line) ToEvent() rlhf.Event {
	ev := l.Event
	if l.Point != nil {
		p := l.Point.ToPoint()
		ev.Point = &p
	}
	return ev
}

// A Point is an rlhf.Point whose values may be NaN or infinite.
type Point struct {
	Step   int              `json:"step"`
	Values map[string]Float `json:"values"`
}

// PointOf returns p as it is sent.
func PointOf(p rlhf.Point) Point {
	q := Point{Step: p.Step}
	if p.Values != nil {
		q.Values = make(map[string]Float, len(p.Values))
	}
	for name, v := range p.Values {
		q.Values[name] = Float(v)
	}
	return q
}

// ToPoint returns the point that was sent.
func (p Point) ToPoint() rlhf.Point {
	q := rlhf.Point{Step: p.Step}
	if p.Values != nil {
		q.Values = make(map[string]float64, len(p.Values))
	}
	for name, v := range p.Values {
		q.Values[name] = float64(v)
	}
	return q
}

// A Float is a number that JSON writes as a number where it can, else as the
// string "NaN", "+Inf" or "-Inf".
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	switch v := float64(f); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 0):
		return []byte(fmt.Sprintf(`"%+f"`, v)), nil
	default:
		return json.Marshal(v)
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return json.Unmarshal(b, (*float64)(f))
	}
	switch string(b) {
	case `"NaN"`:
		*f = Float(math.NaN())
	case `"+Inf"`:
		*f = Float(math.Inf(1))
	case `"-Inf"`:
		*f = Float(math.Inf(-1))
	default:
		return fmt.Errorf("wire: %s is not a number", b)
	}
	return nil
}

// Escape returns a run's name as one segment of a path. Dots are escaped where
// a server would take them for "this folder" and "the folder above".
func Escape(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// Version names the build of this program: the revision of its sources where
// the toolchain recorded it, else the module's version.
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if revision != "" {
		return revision + dirty
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
})
