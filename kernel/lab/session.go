package lab

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"hhrlhf/kernel/engine/socket"
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
	o       Options
	ctx     context.Context // of With
	chosen  bool            // by At
	unknown error           // why there is no socket, where At found none
}

var _ rlhf.Lab = (*Session)(nil)

// Attach returns a session with the engine that RLHF_ENGINE_SOCK names, as the
// kernel sets it: the kernel's own, unless the variable was set when it started
// (rlhf lab -engine). It only notes the address, because GoNB runs declarations anew
// in every cell: the first call finds out whether an engine answers. From now on
// an interrupt ends the call in progress, and the process where there is none.
func Attach() *Session {
	watchInterrupts()
	return Open(Options{Socket: os.Getenv("RLHF_ENGINE_SOCK"), Log: os.Getenv("RLHF_ENGINE_LOG")})
}

// At returns a session with another engine than the kernel's own: that of another
// notebook, by the notebook's name or its process id as rlhf ps lists them, or one at a
// path, of a forwarded socket for one. Otherwise it is [Attach]: an engine that
// is not there is reported by the first call.
//
//	var s = lab.At("09_ppo_run")
//	var s = lab.At("/home/me/rlhf/gpu.sock")
func At(engine string) *Session {
	watchInterrupts()
	path, err := socket.Resolve(engine)
	s := Open(Options{Socket: path})
	s.unknown, s.chosen = err, true
	return s
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
	other := *s
	other.ctx = ctx
	return &other
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

// Direct implements rlhf.Lab.
func (s *Session) Direct(name string, c rlhf.Direct) (rlhf.LMRun, error) {
	r, err := s.create("direct", name, c)
	r.kind = "lm" // as Distill
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

// Watch implements rlhf.Lab. An interrupt ends the watching and nothing else.
func (s *Session) Watch(name string) iter.Seq2[rlhf.Event, error] {
	return s.events("watching of "+name, "GET", "/v1/runs/"+wire.Escape(name)+"/watch", nil)
}

// Stop ends the calls that drive a run at the next step boundary, whoever made them,
// and returns once it stands still: those calls, each as far as it had come, and the
// run's step. Their cells are told that it was stopped from elsewhere.
func (s *Session) Stop(name string) (calls []rlhf.Job, step int, err error) {
	if err := named(name); err != nil {
		return nil, 0, err
	}
	stopped, err := ask[wire.Stopped](s, "stopping of "+name, "POST", "/v1/runs/"+wire.Escape(name)+"/stop", nil)
	return stopped.Calls, stopped.Step, err
}

// Written implements rlhf.Lab.
func (s *Session) Written(name string, last int) ([]rlhf.Sample, error) {
	if err := named(name); err != nil {
		return nil, err
	}
	return ask[[]rlhf.Sample](s, "samples of "+name, "GET", fmt.Sprintf("/v1/runs/%s/written?last=%d", wire.Escape(name), last), nil)
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
