package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// serve runs an engine until the test ends, or the returned function is called.
func serve(t *testing.T, o engine.Options) (stop func()) {
	t.Helper()
	if o.Lab == nil {
		lab, err := enginetest.New(enginetest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o.Lab = lab
	}
	ready := make(chan struct{})
	o.Ready = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Serve(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("Serve: %v", err)
	}
	t.Cleanup(stop)
	return stop
}

// A client makes raw calls, as curl would.
type client struct {
	t *testing.T
	*http.Client
}

func newClient(t *testing.T, socket string) client {
	return client{t, &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

func (c client) call(method, path, body string, header ...string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://engine"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// fails makes a call that must fail, and returns the error.
func (c client) fails(status int, method, path, body string, header ...string) wire.Error {
	c.t.Helper()
	resp := c.call(method, path, body, header...)
	var e wire.Error
	text, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(text, &e); err != nil || resp.StatusCode != status || e.Message == "" {
		c.t.Fatalf("%s %s: status %d, %v, body %.200s; want an error with status %d", method, path, resp.StatusCode, err, text, status)
	}
	return e
}

func (c client) ok(method, path, body string, v any, header ...string) {
	c.t.Helper()
	resp := c.call(method, path, body, header...)
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			c.t.Fatalf("%s %s: %v in %.200s", method, path, err, text)
		}
	}
}

const ppoConfig = `{"policy":"lm","pm":"pm"}`

func TestBadRequests(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket, MaxBody: 1000})
	c := newClient(t, socket)
	for _, q := range []struct {
		name, method, path, body string
		status                   int
		kind, want               string
	}{
		{"unknown call", "GET", "/v2/status", "", 404, wire.KindNotFound, "there is no call GET /v2/status"},
		{"unknown method", "PUT", "/v1/status", "", 404, wire.KindNotFound, "there is no call PUT"},
		{"unknown field", "POST", "/v1/ppo/p", `{"policy":"lm","pm":"pm","kl_cof":1}`, 400, wire.KindInvalid, `unknown field "kl_cof"`},
		{"wrong type", "POST", "/v1/ppo/p", `{"batch":"many"}`, 400, wire.KindInvalid, "batch"},
		{"not JSON", "POST", "/v1/ppo/p", `policy`, 400, wire.KindInvalid, "invalid character"},
		{"two values", "POST", "/v1/ppo/p", `{} {}`, 400, wire.KindInvalid, "more than one JSON value"},
		{"empty body", "POST", "/v1/ppo/p/steps", ``, 400, wire.KindInvalid, "EOF"},
		{"too large", "POST", "/v1/ppo/p", `{"policy":"` + strings.Repeat("x", 20<<20) + `"}`, 413, wire.KindTooLarge, "exceeds 1000 bytes"},
		{"invalid config", "POST", "/v1/ppo/p", `{"policy":"lm","pm":"pm","kl_coef":-1}`, 422, wire.KindLab, "KLCoef"},
		{"bad name", "POST", "/v1/ppo/..%2Fp", ppoConfig, 422, wire.KindLab, `run name "../p"`},
		{"dots", "POST", "/v1/ppo/%2E%2E", ppoConfig, 422, wire.KindLab, `run name ".."`},
		{"unknown run", "GET", "/v1/runs/p", "", 404, wire.KindNotFound, `no run "p"`},
		{"unknown run's history", "GET", "/v1/runs/p/history", "", 422, wire.KindLab, `no run "p"`},
		{"unknown run's samples", "GET", "/v1/runs/p/written?last=3", "", 422, wire.KindLab, `no run "p"`},
		{"samples, how many", "GET", "/v1/runs/p/written?last=few", "", 400, wire.KindInvalid, `last = "few"`},
		{"unknown run's phase", "POST", "/v1/ppo/p/rollout", "", 422, wire.KindLab, `no run "p"`},
		{"unknown call id", "DELETE", "/v1/calls/1", "", 404, wire.KindNotFound, `no call "1"`},
	} {
		t.Run(q.name, func(t *testing.T) {
			c := client{t, c.Client}
			e := c.fails(q.status, q.method, q.path, q.body)
			if e.Kind != q.kind || !strings.Contains(e.Message, q.want) {
				t.Errorf("got %+v, want kind %s with %q", e, q.kind, q.want)
			}
		})
	}
}

func TestProtocolMismatch(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket, Version: "abc123"})
	c := newClient(t, socket)
	for theirs, want := range map[string]string{"0.00": "this cell is older", "1.zz": "the engine is older", "9.zz": "the engine is older"} {
		e := c.fails(409, "GET", "/v1/status", "", wire.HeaderProtocol, theirs)
		if e.Kind != wire.KindProtocol || !strings.Contains(e.Message, want) || !strings.Contains(e.Message, "abc123") || !strings.Contains(e.Message, "estart the kernel") {
			t.Errorf("%s: %+v", theirs, e)
		}
		e = c.fails(409, "POST", "/v1/ppo/p/score", strings.Repeat("x", 20<<20), wire.HeaderProtocol, theirs)
		if e.Kind != wire.KindProtocol {
			t.Errorf("with a batch, %s: %+v", theirs, e)
		}
		var hello wire.Hello
		c.ok("GET", "/v1/version", "", &hello, wire.HeaderProtocol, theirs) // answers everybody
		if hello.Protocol != wire.ProtocolID() || hello.Version != "abc123" || hello.PID == 0 {
			t.Errorf("hello: %+v", hello)
		}
	}
	c.ok("GET", "/v1/status", "", nil) // by hand, without headers
	c.ok("GET", "/v1/status", "", nil, wire.HeaderProtocol, wire.ProtocolID())
}

// A panic anywhere in the lab ends the call, is logged with its stack, and
// leaves the engine and the device to the next.
func TestPanics(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{Hook: func(method, run string) error {
		if run == "cursed" && (method == "Rollout" || method == "Step") {
			var none []int
			_ = none[len(run)] // a runtime error
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket, Lab: lab, Log: slog.New(slog.NewTextHandler(&log, nil))})
	c := newClient(t, socket)
	c.ok("POST", "/v1/ppo/cursed", ppoConfig, nil)
	e := c.fails(500, "POST", "/v1/ppo/cursed/rollout", "")
	if e.Kind != wire.KindPanic || !strings.Contains(e.Message, "index out of range [6]") {
		t.Errorf("got %+v", e)
	}
	resp := c.call("POST", "/v1/ppo/cursed/steps", `{"n":3}`)
	text, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(text), `"kind":"panic"`) {
		t.Errorf("stream: %s", text)
	}
	if got := log.String(); strings.Count(got, "enginetest.(*Lab).begin") == 0 || !strings.Contains(got, "panic in rollout of cursed") {
		t.Errorf("the log lacks the stack: %s", got)
	}
	c.ok("POST", "/v1/ppo/fine", ppoConfig, nil)
	c.ok("POST", "/v1/ppo/fine/rollout", "", nil)
	if n := lab.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// An undefined number in a result is named, not dropped.
func TestNaNResult(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket, Lab: undefined{lab}})
	c := newClient(t, socket)
	e := c.fails(422, "POST", "/v1/lm/x/evaluate", "")
	if !strings.Contains(e.Message, "LMEval.PerByte is NaN") {
		t.Errorf("got %+v", e)
	}
}

// undefined is a lab whose evaluations are not numbers.
type undefined struct{ rlhf.Lab }

func (u undefined) With(ctx context.Context) rlhf.Lab      { return undefined{u.Lab.With(ctx)} }
func (u undefined) OpenLM(name string) (rlhf.LMRun, error) { return undefinedRun{}, nil }
func (undefinedRun) Evaluate() (rlhf.LMEval, error)        { return rlhf.LMEval{PerByte: math.NaN()}, nil }

type undefinedRun struct{ rlhf.LMRun }

// Shutting down lets the step in progress finish, tells the client, and frees
// those who wait.
func TestShutdown(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{Step: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	stop := serve(t, engine.Options{Socket: socket, Lab: lab})
	c := newClient(t, socket)
	c.ok("POST", "/v1/ppo/p", ppoConfig, nil)
	resp := c.call("POST", "/v1/ppo/p/steps", `{"n":100}`)
	lines := bufio.NewScanner(resp.Body)
	var last wire.Line
	next := func() bool {
		if !lines.Scan() {
			return false
		}
		last = wire.Line{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if !next() || last.Step != 1 {
		t.Fatalf("first line: %+v", last)
	}
	waiter := make(chan wire.Error, 1)
	go func() {
		resp, err := c.Post("http://engine/v1/ppo/p/rollout", "", nil)
		var e wire.Error
		if err == nil {
			json.NewDecoder(resp.Body).Decode(&e)
			resp.Body.Close()
		}
		waiter <- e
	}()
	for waiting := 0; waiting == 0; time.Sleep(5 * time.Millisecond) {
		var st rlhf.Status
		c.ok("GET", "/v1/status", "", &st)
		waiting = st.Waiting
	}
	start := time.Now()
	stop()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("shutdown took %v", took)
	}
	for next() {
	}
	runs, _ := lab.Runs()
	if last.Err == nil || last.Err.Kind != wire.KindShutdown || last.Err.Step != runs[0].Step || runs[0].Step >= 100 {
		t.Errorf("last line %+v with error %+v; the run is at step %d", last, last.Err, runs[0].Step)
	}
	if e := <-waiter; e.Kind != wire.KindShutdown {
		t.Errorf("who waited got %+v", e)
	}
}

// Somebody who watches and does not read, a cell stopped in a debugger for one, keeps
// neither the training nor the shutdown.
func TestStuckWatcher(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	stop := serve(t, engine.Options{Socket: socket, Lab: lab})
	c := newClient(t, socket)
	c.ok("POST", "/v1/ppo/p", ppoConfig, nil)
	watch := c.call("GET", "/v1/runs/p/watch", "")
	const n = 5000 // far more than a socket's buffer holds
	resp := c.call("POST", "/v1/ppo/p/steps", fmt.Sprintf(`{"n":%d}`, n))
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if runs, _ := lab.Runs(); runs[0].Step != n {
		t.Errorf("the run is at step %d", runs[0].Step)
	}
	start := time.Now()
	stop()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	if text, err := io.ReadAll(watch.Body); err == nil && strings.Count(string(text), "\n") >= n {
		t.Error("all was sent: the test shows nothing")
	}
}

// The engine gives up on a call that ignores its end, and says so.
func TestShutdownGrace(t *testing.T) {
	block := make(chan struct{})
	lab, err := enginetest.New(enginetest.Options{Hook: func(method, _ string) error {
		if method == "Rollout" {
			<-block
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab, Grace: 50 * time.Millisecond, Ready: func() { close(ready) }})
	}()
	<-ready
	c := newClient(t, socket)
	c.ok("POST", "/v1/ppo/p", ppoConfig, nil)
	called := make(chan struct{})
	go func() {
		defer close(called)
		if resp, err := c.Post("http://engine/v1/ppo/p/rollout", "", nil); err == nil {
			resp.Body.Close()
		}
	}()
	for len(lab.Calls()) < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "did not end within 50ms") {
		t.Errorf("got %v", err)
	}
	close(block)
	<-called
}

// A stream whose connection drops stops at the next step boundary.
func TestDroppedConnection(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{Step: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket, Lab: lab})
	c := newClient(t, socket)
	c.ok("POST", "/v1/ppo/p", ppoConfig, nil)
	resp := c.call("POST", "/v1/ppo/p/steps", `{"n":1000}`)
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.ok("POST", "/v1/ppo/p/rollout", "", nil) // served as soon as the step is done
	runs, _ := lab.Runs()
	if runs[0].Step < 1 || runs[0].Step > 10 {
		t.Errorf("the run is at step %d", runs[0].Step)
	}
	if n := lab.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

func TestNoLab(t *testing.T) {
	if err := engine.Serve(t.Context(), engine.Options{Socket: "s"}); err == nil {
		t.Error("served nothing without complaint")
	}
}

// A lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
