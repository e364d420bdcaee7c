package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// Ending the context stops training at a step boundary; the error says where,
// and the next call goes on from there.
func TestInterrupt(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	ppo(t, s, "p")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	run := must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("p"))
	var steps []int
	var failed error
	for ev, err := range run.Steps(100) {
		if err != nil {
			failed = err
			break
		}
		steps = append(steps, ev.Step)
		if ev.Step == 3 {
			cancel()
		}
	}
	runs := must[[]rlhf.RunInfo](t)(fake.Runs())
	at := runs[0].Step
	if at != 3 && at != 4 {
		t.Errorf("the run is at step %d", at)
	}
	want := fmt.Sprintf("steps of p interrupted at step %d of 100; the run is kept: run the cell again to go on", at)
	if failed == nil || failed.Error() != want || !errors.Is(failed, context.Canceled) {
		t.Errorf("got error %v, want %q", failed, want)
	}
	var remote *lab.Error
	if !errors.As(failed, &remote) || remote.Step != at {
		t.Errorf("error %#v", failed)
	}
	if len(steps) != at {
		t.Errorf("events of steps %v; the run is at step %d", steps, at)
	}
	if _, err := run.Rollout(); !errors.Is(err, context.Canceled) {
		t.Errorf("a call after the end: %v", err)
	}
	run = must[rlhf.PPORun](t)(s.OpenPPO("p"))
	for ev, err := range run.Steps(1) {
		if err != nil || ev.Step != at+1 {
			t.Errorf("goes on with step %d, %v", ev.Step, err)
		}
	}
	if points := must[[]rlhf.Point](t)(run.History()); len(points) != at+1 {
		t.Errorf("%d points", len(points))
	}
}

// Breaking off the loop waits for the step in progress.
func TestBreak(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	run := ppo(t, s, "p")
	for ev, err := range run.Steps(100) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Step == 2 {
			break
		}
	}
	at := must[[]rlhf.RunInfo](t)(fake.Runs())[0].Step
	if at != 2 && at != 3 {
		t.Errorf("the run is at step %d", at)
	}
	if st := must[rlhf.Status](t)(s.Status()); st.Busy != "" {
		t.Errorf("still busy: %s", st.Busy)
	}
	time.Sleep(100 * time.Millisecond)
	if now := must[[]rlhf.RunInfo](t)(fake.Runs())[0].Step; now != at {
		t.Errorf("went on from step %d to %d", at, now)
	}
}

func TestDeadline(t *testing.T) {
	_, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	ppo(t, s, "p")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	run := must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("p"))
	var failed error
	for _, err := range run.Steps(1000) {
		failed = err
	}
	if !errors.Is(failed, context.DeadlineExceeded) || !strings.Contains(failed.Error(), "interrupted at step") {
		t.Errorf("got %v", failed)
	}
}

// listen listens as an engine does, but serves nothing.
func listen(t *testing.T, socket string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestProtocolMismatch(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l := listen(t, socket)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderProtocol, "1.00000000")
		w.Header().Set(wire.HeaderVersion, "abc123")
		shape := maps.Clone(wire.Shape())
		delete(shape, "rlhf.PPO.KLCoef")
		json.NewEncoder(w).Encode(wire.Hello{Shape: shape})
	})}
	go srv.Serve(l)
	defer srv.Close()
	s := lab.Open(lab.Options{Socket: socket})
	_, err := s.Status()
	var e *lab.Error
	if !errors.As(err, &e) || e.Kind != wire.KindProtocol || !strings.Contains(err.Error(), "the engine is older than this cell") || !strings.Contains(err.Error(), "abc123") ||
		!strings.Contains(err.Error(), "only the cell has rlhf.PPO.KLCoef") {
		t.Errorf("got %v", err)
	}
}

// The first call waits for an engine that is starting.
func TestWaitsForTheEngine(t *testing.T) {
	fake := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	socket := filepath.Join(shortDir(t), "s")
	s := lab.Open(lab.Options{Socket: socket})
	got := make(chan error, 1)
	go func() {
		_, err := s.Status()
		got <- err
	}()
	time.Sleep(100 * time.Millisecond)
	serve(t, fake, socket)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestNoEngine(t *testing.T) {
	dir := shortDir(t)
	log := filepath.Join(dir, "engine.log")
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	text.WriteString("out of memory\n")
	if err := os.WriteFile(log, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := lab.Open(lab.Options{Socket: filepath.Join(dir, "s"), Log: log, Wait: 50 * time.Millisecond})
	_, err := s.Status()
	if !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), "restart the kernel") ||
		!strings.HasSuffix(err.Error(), "  line 999\n  out of memory") || strings.Count(err.Error(), "\n") != 13 {
		t.Errorf("got %v", err)
	}
	for _, err := range runOf(s).Steps(3) {
		if !errors.Is(err, lab.ErrNoEngine) {
			t.Errorf("stream: %v", err)
		}
	}
	start := time.Now()
	_, err = lab.Open(lab.Options{}).Status()
	if !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), "RLHF_ENGINE_SOCK is not set") || time.Since(start) > time.Second {
		t.Errorf("no address: %v after %v", err, time.Since(start))
	}
	// The wait ends with the context.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = lab.Open(lab.Options{Socket: filepath.Join(dir, "s")}).With(ctx).Status()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("context: %v", err)
	}
}

// runOf returns a handle without asking anybody whether the run exists.
func runOf(s *lab.Session) rlhf.PPORun {
	run, _ := s.OpenPPO("p")
	return run
}

// An interrupt ends a call even if the engine is frozen, before GoNB loses its
// patience with the cell after 5 s.
func TestFrozenEngine(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l := listen(t, socket) // accepts nothing, answers nothing
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := lab.Open(lab.Options{Socket: socket}).With(ctx).Status()
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 4800*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
}

// The engine may answer before it has read all that is sent to it.
func TestTooLarge(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	fake := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	serveWith(t, engine.Options{Lab: fake, Socket: socket, MaxBody: 10000})
	s := lab.Open(lab.Options{Socket: socket})
	must[rlhf.PMRun](t)(s.PM("judge", rlhf.PM{LM: "lm"}))
	run := must[rlhf.PMRun](t)(s.OpenPM("judge"))
	ts := []rlhf.Transcript{{Prompt: "p", Response: strings.Repeat("x", 20<<20)}}
	_, err := run.Score(ts)
	var e *lab.Error
	if !errors.As(err, &e) || e.Kind != wire.KindTooLarge || !strings.Contains(e.Message, "exceeds 10000 bytes: send fewer rows") {
		t.Errorf("got %.300v", err)
	}
	if _, err := run.Score(ts[:0]); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// Something else than an engine may listen.
func TestNotAnEngine(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l := listen(t, socket)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("220 mail.example ESMTP\r\n"))
			c.Close()
		}
	}()
	if _, err := lab.Open(lab.Options{Socket: socket}).Status(); err == nil || !strings.Contains(err.Error(), "not an engine") {
		t.Errorf("got %v", err)
	}
}

// A socket that others can reach is not used, and the error has the cure.
func TestUnsafeSocket(t *testing.T) {
	_, s, socket := start(t, enginetest.Options{})
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Status(); !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), "chmod 600 "+socket) {
		t.Errorf("got %v", err)
	}
}

// At finds an engine by its name, and says what there is instead.
func TestAt(t *testing.T) {
	dir := shortDir(t)
	name := filepath.Base(dir)
	fake := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	serveWith(t, engine.Options{Lab: fake, Socket: filepath.Join(dir, "s"), Name: name})
	for _, by := range []string{name, filepath.Join(dir, "s")} {
		if st, err := lab.At(by).Status(); err != nil || st.Name != name {
			t.Errorf("by %s: %+v, %v", by, st, err)
		}
	}
	_, err := lab.At("no-" + name).Status()
	if !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), fmt.Sprintf(`there is no engine "no-%s"`, name)) || !strings.Contains(err.Error(), "rlhf ps") {
		t.Errorf("unknown: %v", err)
	}
	for _, err := range lab.At("no-" + name).Watch("p") {
		if !errors.Is(err, lab.ErrNoEngine) {
			t.Errorf("a stream: %v", err)
		}
	}
}
