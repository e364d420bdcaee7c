package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// Options says where an engine is.
type Options struct {
	// Socket is the path of the engine's unix socket.
	Socket string
	// Log is the path of the engine's log, whose end is shown when the engine is
	// gone. "": none.
	Log string
	// Wait is how long a call waits for an engine that is starting. 0: 20 s.
	Wait time.Duration
}

// A Session speaks to an engine. It implements rlhf.Lab, and is safe for use by
// several goroutines.
type Session struct {
	o   Options
	ctx context.Context // of With
}

var _ rlhf.Lab = (*Session)(nil)

// Attach returns a session with the engine that RLHF_ENGINE_SOCK names, as the
// kernel sets it. It only notes the address, because GoNB runs declarations anew
// in every cell: the first call finds out whether an engine answers. From now on
// an interrupt ends the call in progress, and the process where there is none.
func Attach() *Session {
	watchInterrupts()
	return Open(Options{Socket: os.Getenv("RLHF_ENGINE_SOCK"), Log: os.Getenv("RLHF_ENGINE_LOG")})
}

// Open returns a session with the engine at o.Socket. Like [Attach] it doesn't
// call it yet; unlike Attach it leaves the process's interrupts alone.
func Open(o Options) *Session {
	if o.Wait == 0 {
		o.Wait = 20 * time.Second
	}
	return &Session{o: o, ctx: context.Background()}
}

// With implements rlhf.Lab. An interrupt ends the calls of the result too.
func (s *Session) With(ctx context.Context) rlhf.Lab {
	return &Session{o: s.o, ctx: ctx}
}

// LM implements rlhf.Lab.
func (s *Session) LM(name string, c rlhf.LM) (rlhf.LMRun, error) {
	r, err := s.create("lm", name, c)
	return lmRun{r}, err
}

// Distill implements rlhf.Lab.
func (s *Session) Distill(name string, c rlhf.Distill) (rlhf.LMRun, error) {
	r, err := s.create("distill", name, c)
	r.kind = "lm" // a language model like any other from here on
	return lmRun{r}, err
}

// PM implements rlhf.Lab.
func (s *Session) PM(name string, c rlhf.PM) (rlhf.PMRun, error) {
	r, err := s.create("pm", name, c)
	return pmRun{r}, err
}

// PPO implements rlhf.Lab.
func (s *Session) PPO(name string, c rlhf.PPO) (rlhf.PPORun, error) {
	r, err := s.create("ppo", name, c)
	return ppoRun{r}, err
}

// OpenLM implements rlhf.Lab.
func (s *Session) OpenLM(name string) (rlhf.LMRun, error) {
	r, err := s.reopen("lm", name)
	return lmRun{r}, err
}

// OpenPM implements rlhf.Lab.
func (s *Session) OpenPM(name string) (rlhf.PMRun, error) {
	r, err := s.reopen("pm", name)
	return pmRun{r}, err
}

// OpenPPO implements rlhf.Lab.
func (s *Session) OpenPPO(name string) (rlhf.PPORun, error) {
	r, err := s.reopen("ppo", name)
	return ppoRun{r}, err
}

// Runs implements rlhf.Lab.
func (s *Session) Runs() ([]rlhf.RunInfo, error) {
	return ask[[]rlhf.RunInfo](s, "list of runs", "GET", "/v1/runs", nil)
}

// Remove implements rlhf.Lab.
func (s *Session) Remove(name string) error {
	if err := named(name); err != nil {
		return err
	}
	_, err := ask[struct{}](s, "removal of "+name, "DELETE", "/v1/runs/"+wire.Escape(name), nil)
	return err
}

// History implements rlhf.Lab.
func (s *Session) History(name string) ([]rlhf.Point, error) {
	if err := named(name); err != nil {
		return nil, err
	}
	sent, err := ask[[]wire.Point](s, "history of "+name, "GET", "/v1/runs/"+wire.Escape(name)+"/history", nil)
	if err != nil {
		return nil, err
	}
	points := make([]rlhf.Point, len(sent))
	for i, p := range sent {
		points[i] = p.ToPoint()
	}
	return points, nil
}

// Status implements rlhf.Lab.
func (s *Session) Status() (rlhf.Status, error) {
	return ask[rlhf.Status](s, "status", "GET", "/v1/status", nil)
}

func (s *Session) create(kind, name string, config any) (run, error) {
	if err := named(name); err != nil {
		return run{}, err
	}
	_, err := ask[rlhf.RunInfo](s, "opening of "+name, "POST", "/v1/"+kind+"/"+wire.Escape(name), config)
	return run{s: s, kind: kind, name: name}, err
}

func (s *Session) reopen(kind, name string) (run, error) {
	if err := named(name); err != nil {
		return run{}, err
	}
	_, err := ask[rlhf.RunInfo](s, "opening of "+name, "GET", "/v1/"+kind+"/"+wire.Escape(name), nil)
	return run{s: s, kind: kind, name: name}, err
}

// named refuses the one name that has no path.
func named(name string) error {
	if name == "" {
		return errors.New("lab: a run needs a name")
	}
	return nil
}

// ErrNoEngine is wrapped by the errors of calls that no engine answered.
var ErrNoEngine = errors.New("no engine")

// Error is what an engine returned in place of a result. Kind is one of the
// Kind constants of package wire.
type Error = wire.Error

// noEngine explains that nothing answered at the socket for so long.
func (s *Session) noEngine(err error, waited time.Duration) error {
	switch {
	case s.o.Socket == "":
		return fmt.Errorf("lab: RLHF_ENGINE_SOCK is not set, so there is %w to call: choose the kernel \"RLHF (GoNB)\", or set it to the socket of an engine that you have started", ErrNoEngine)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("lab: %w that may be used at %s: the socket belongs to another user (%v)", ErrNoEngine, s.o.Socket, err)
	}
	return fmt.Errorf("lab: %w answers at %s, waited %v (%v): restart the kernel; runs continue from disk%s", ErrNoEngine, s.o.Socket, waited, err, s.logTail())
}

// died explains that the engine was there when the call began.
func (s *Session) died(what string, err error) error {
	return fmt.Errorf("lab: %w any more: it ended during the %s (%v). What the run had done is on disk: run the cell again to go on, and if that does not help, restart the kernel%s", ErrNoEngine, what, err, s.logTail())
}

// logTail returns the last lines of the engine's log, ready to be appended.
func (s *Session) logTail() string {
	const lines, bytes = 12, 4096
	if s.o.Log == "" {
		return ""
	}
	f, err := os.Open(s.o.Log)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-bytes)
	text := make([]byte, info.Size()-from)
	n, _ := f.ReadAt(text, from)
	tail := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	if from > 0 && len(tail) > 1 {
		tail = tail[1:] // the first is cut
	}
	tail = tail[max(0, len(tail)-lines):]
	return "\nThe end of the engine's log, " + s.o.Log + ":\n  " + strings.Join(tail, "\n  ")
}
