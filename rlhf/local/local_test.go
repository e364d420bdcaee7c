package local_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/run"
)

// open opens a lab on the backend of the tests.
func open(t testing.TB, dir string) *local.Lab {
	t.Helper()
	return openWith(t, local.Options{Dir: dir})
}

// openWith is open with more options.
func openWith(t testing.TB, o local.Options) *local.Lab {
	t.Helper()
	gx.TestBackend(t) // installs the plugin where it is missing
	var err error
	if o.Backend, err = gx.TestSpec(); err != nil {
		t.Fatal(err)
	}
	o.Models = func(name string) (string, error) {
		if name == "stories" {
			return rltest.Data(t, "model/stories260K.bin"), nil
		}
		return "", nil
	}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var (
	lmConfig = rlhf.LM{Layers: 1, Width: 32, Heads: 2, Context: 96, Vocab: 400, Batch: 4, Rows: 400, Planned: 6, Warmup: 2}
	pmConfig = rlhf.PM{LM: "lm", Batch: 8, Rows: 200, Planned: 6, Warmup: 2}
)

func ppoConfig() rlhf.PPO {
	return rlhf.PPO{Policy: "lm", PM: "pm", Prompt: 48, Response: 12, Batch: 8, Minibatches: 2, Epochs: 2, Planned: 6,
		KLCoef: 0.02, Rows: 400, HarmfulFraction: 0.3}
}

// train drives a run n steps and returns its points.
func train(t testing.TB, r rlhf.Run, n int) []rlhf.Point {
	t.Helper()
	var points []rlhf.Point
	for e, err := range r.Steps(n) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Point != nil {
			points = append(points, *e.Point)
			if _, ok := r.(rlhf.PPORun); ok && (len(e.Samples) != rlhf.ShownSamples || e.Samples[0].Step != e.Step) {
				t.Errorf("the event of step %d has %d samples: %+v", e.Step, len(e.Samples), e.Samples)
			}
		}
	}
	if len(points) != n {
		t.Fatalf("%d points, want %d", len(points), n)
	}
	return points
}

// lap makes the three runs; stop is called between stretches of a run and
// returns the lab to go on with.
func lap(t *testing.T, l *local.Lab, stop func(*local.Lab) *local.Lab, parts ...int) *local.Lab {
	t.Helper()
	kinds := []func(*local.Lab) (rlhf.Run, error){
		func(l *local.Lab) (rlhf.Run, error) { return l.LM("lm", lmConfig) },
		func(l *local.Lab) (rlhf.Run, error) { return l.PM("pm", pmConfig) },
		func(l *local.Lab) (rlhf.Run, error) { return l.PPO("ppo", ppoConfig()) },
	}
	for _, make := range kinds {
		for _, n := range parts {
			r, err := make(l)
			if err != nil {
				t.Fatal(err)
			}
			train(t, r, n)
			l = stop(l)
		}
	}
	return l
}

// steady drops what may differ between equal runs: wall times.
func steady(points []rlhf.Point) []rlhf.Point {
	out := make([]rlhf.Point, len(points))
	for i, p := range points {
		out[i] = rlhf.Point{Step: p.Step, Values: map[string]float64{}}
		for k, v := range p.Values {
			if !strings.HasPrefix(k, "time/") {
				out[i].Values[k] = v
			}
		}
	}
	return out
}

// same fails unless two stores hold the same run: metrics and every tensor.
func same(t *testing.T, dirA, dirB, name string) {
	t.Helper()
	read := func(dir string) ([]rlhf.Point, *run.Checkpoint) {
		s, err := run.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ck, err := r.LoadCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		points, err := r.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		return points, ck
	}
	pa, a := read(dirA)
	pb, b := read(dirB)
	if !reflect.DeepEqual(steady(pa), steady(pb)) {
		t.Errorf("%s: metrics differ:\n%v\n%v", name, steady(pa), steady(pb))
	}
	if a.Step != b.Step || string(a.State) != string(b.State) || !reflect.DeepEqual(a.Tensors, b.Tensors) {
		t.Errorf("%s: checkpoints of steps %d and %d differ", name, a.Step, b.Step)
	}
}

// A straight run and one that stops and is opened again by another lab are
// equal bit for bit: metrics, weights, moments.
func TestResume(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	straight := lap(t, open(t, a), func(l *local.Lab) *local.Lab { return l }, 6)
	lap(t, open(t, b), func(l *local.Lab) *local.Lab {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, b)
	}, 2, 4)
	for _, name := range []string{"lm", "pm", "ppo"} {
		same(t, a, b, name)
	}
	afterLap(t, straight)
}

// afterLap asks the finished runs everything a notebook asks.
func afterLap(t *testing.T, l *local.Lab) {
	m, err := l.OpenLM("lm")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := m.Evaluate(); err != nil || e.Loss <= 0 || e.Loss > 7 || e.SE <= 0 || e.Tokens == 0 || e.Baseline <= 0 {
		t.Errorf("LM evaluation %+v, %v", e, err)
	}
	ss, err := m.Sample([]string{"\n\nHuman: hello\n\nAssistant:"}, rlhf.Sampling{Seed: 3, MaxTokens: 8})
	if err != nil || len(ss) != 1 || ss[0].Tokens < 1 || ss[0].Tokens > 8 || ss[0].Gold == nil {
		t.Errorf("samples %+v, %v", ss, err)
	}
	p, err := l.OpenPM("pm")
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Evaluate()
	if err != nil || e.All.N == 0 || e.Gold == nil || e.Bayes < 0.5 || e.All.Low > e.All.Value || e.All.High < e.All.Value {
		t.Errorf("PM evaluation %+v, %v", e, err)
	}
	cs, err := p.Comparisons(3)
	if err != nil || len(cs) != 3 {
		t.Errorf("comparisons %v, %v", cs, err)
	}
	scores, err := p.Score([]rlhf.Transcript{cs[0].Chosen, cs[0].Rejected})
	if err != nil || len(scores) != 2 || scores[0] == scores[1] {
		t.Errorf("scores %v, %v", scores, err)
	}
	r, err := l.OpenPPO("ppo")
	if err != nil {
		t.Fatal(err)
	}
	ba, err := r.Compare(10)
	if err != nil || len(ba.Before) != 10 || len(ba.After) != 10 || len(ba.Rows) != 8 || ba.Step != 6 {
		t.Errorf("comparison %+v, %v", ba, err)
	}
	for _, s := range ba.Before {
		if s.KL != 0 {
			t.Errorf("the reference is %g nats from itself", s.KL)
		}
	}
	written, err := r.Written(0)
	if err != nil || len(written) != 6*rlhf.ShownSamples {
		t.Errorf("%d responses kept of 6 steps, %v", len(written), err)
	}
	for i, s := range written {
		if s.Step != i/rlhf.ShownSamples+1 || s.Tokens == 0 || s.Prompt == "" {
			t.Errorf("the %d. kept response is %+v", i, s)
		}
	}
	if newest, err := l.Written("ppo", 5); err != nil || !reflect.DeepEqual(newest, written[len(written)-5:]) {
		t.Errorf("the newest five are %+v, %v", newest, err)
	}
	for name, c := range map[string]struct {
		last int
		want string
	}{"ppo": {-1, "last = -1"}, "nobody": {3, "nobody"}} {
		if _, err := l.Written(name, c.last); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Written(%q, %d): %v, want %q in it", name, c.last, err, c.want)
		}
	}
	if none, err := l.Written("pm", 0); err != nil || len(none) > 0 {
		t.Errorf("a preference model has kept %v, %v", none, err)
	}
	infos, err := l.Runs()
	if err != nil || len(infos) != 3 || infos[2].Step != 6 || infos[2].Planned != 6 || infos[2].Params == 0 {
		t.Errorf("runs %+v, %v", infos, err)
	}
	if s, err := l.Status(); err != nil || s.Busy != "" || len(s.Models) != 3 || s.RSSBytes == 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	n := 0
	for range r.Train() { // planned is reached
		n++
	}
	if n != 0 {
		t.Errorf("Train did %d steps beyond the planned ones", n)
	}
}

// An interrupt stops at a step boundary; the next call goes on.
func TestInterrupt(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := l.With(ctx).LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for e, err := range r.Steps(6) {
		if e.Point != nil && e.Step == 2 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || !strings.Contains(last.Error(), "interrupted at step 2") {
		t.Fatalf("error %v", last)
	}
	again, err := l.OpenLM("lm")
	if err != nil {
		t.Fatal(err)
	}
	for e := range again.Steps(3) { // breaking off is an interrupt too
		if e.Step == 3 && e.Point != nil {
			break
		}
	}
	if points := train(t, again, 1); points[0].Step != 4 {
		t.Errorf("went on at step %d, want 4", points[0].Step)
	}
}

// childEnv has a folder of runs, and behind a colon the kind of run to train there.
const childEnv = "RLHF_LOCAL_TEST_CHILD"

// TestChild is the process that TestKill kills.
func TestChild(t *testing.T) {
	dir, kind, ok := strings.Cut(os.Getenv(childEnv), ":")
	if !ok {
		t.Skip("only a child process of TestKill runs this")
	}
	r, err := killed(open(t, dir), kind)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range r.Train() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Point != nil {
			os.Stdout.WriteString("step\n")
			time.Sleep(20 * time.Millisecond)
		}
	}
	os.Stdout.WriteString("finished\n")
}

// killed is the run of a kind that TestKill kills.
func killed(l *local.Lab, kind string) (rlhf.Run, error) {
	switch kind {
	case "ppo":
		c := ppoConfig()
		c.Planned, c.KLTarget, c.KLHorizon = killPlan(), 0.1, 100 // a coefficient that moves is state
		return l.PPO("ppo", c)
	case "pm":
		c := pmConfig
		c.Planned = 60
		return l.PM("pm", c)
	}
	c := lmConfig
	c.Planned = 60
	return l.LM("lm", c)
}

// killsEnv sets how often TestKill kills a policy's run.
const killsEnv = "RLHF_TEST_KILLS"

func kills() int {
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		return n
	}
	return 3
}

// killPlan is how many steps a run needs to outlive its kills.
func killPlan() int { return 20 + 10*kills() }

// A process that is killed at random moments loses nothing: the run that is
// finished afterwards equals a straight one bit for bit.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for half a minute; -short is set")
	}
	a, b := t.TempDir(), t.TempDir()
	for _, kind := range []string{"lm", "pm", "ppo"} { // each stands on those before it
		planned, rounds := 60, 3
		if kind == "ppo" {
			planned, rounds = killPlan(), kills()
		}
		t.Run(kind, func(t *testing.T) { testKill(t, a, b, kind, planned, rounds) })
	}
}

func testKill(t *testing.T, a, b, kind string, planned, rounds int) {
	straight, err := killed(open(t, a), kind)
	if err != nil {
		t.Fatal(err)
	}
	train(t, straight, planned)
	rng := rand.New(rand.NewPCG(5, 5))
	for round := 0; ; round++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), childEnv+"="+b+":"+kind)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if round < rounds {
			// Wait for the first step, then a random while longer.
			buf := make([]byte, 4096)
			for seen := ""; !strings.Contains(seen, "step"); {
				n, err := out.Read(buf)
				if seen += string(buf[:n]); err != nil {
					t.Fatalf("round %d: the child ended by itself: %v\n%s", round, err, seen)
				}
			}
			time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its error is the kill
			continue
		}
		buf := new(strings.Builder)
		for chunk := make([]byte, 4096); ; {
			n, err := out.Read(chunk)
			buf.Write(chunk[:n])
			if err != nil {
				break
			}
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(buf.String(), "finished") {
			t.Fatalf("last round: %v\n%s", err, buf)
		}
		break
	}
	same(t, a, b, kind)
}

func TestErrors(t *testing.T) {
	l := open(t, t.TempDir())
	r, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.jsonl")
	if err := os.WriteFile(broken, []byte("{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, longPrompt := r.Sample([]string{rlhf.Human + strings.Repeat(" word", 500) + rlhf.Assistant}, rlhf.Sampling{})
	_, noPrompt := r.Sample([]string{""}, rlhf.Sampling{})
	for _, c := range []struct {
		name string
		err  func() error
		want []string
	}{
		{"unknown run", func() error { _, err := l.OpenLM("ml"); return err }, []string{`"ml"`, "known: lm"}},
		{"wrong kind", func() error { _, err := l.OpenPM("lm"); return err }, []string{`kind "lm", want "pm"`}},
		{"other config", func() error { c := lmConfig; c.Width = 64; _, err := l.LM("lm", c); return err }, []string{"width is 32 on disk, 64 asked for", "Remove"}},
		{"bad name", func() error { _, err := l.LM("../x", lmConfig); return err }, []string{`"../x"`}},
		{"negative size", func() error { c := lmConfig; c.Layers = -1; _, err := l.LM("n", c); return err }, []string{"lm: Layers = -1, want > 0"}},
		{"no such data", func() error { c := lmConfig; c.Data = "nowhere.jsonl"; _, err := l.LM("n", c); return err }, []string{`Data = "nowhere.jsonl"`, "no such file"}},
		{"bad seed", func() error { c := lmConfig; c.Data = "synth:x"; _, err := l.LM("n", c); return err }, []string{`"synth:x"`, "whole number"}},
		{"broken line", func() error { c := lmConfig; c.Data = broken; _, err := l.LM("n", c); return err }, []string{broken + ":1"}},
		{"no trunk", func() error { _, err := l.PM("p", rlhf.PM{LM: "gone"}); return err }, []string{`LM = "gone"`, "neither a run"}},
		{"untrained trunk", func() error {
			p, err := l.PM("p", pmConfig)
			if err != nil {
				return err
			}
			_, err = p.Evaluate()
			return err
		}, []string{`"lm" has no weights`, "train it first"}},
		{"no PM", func() error { _, err := l.PPO("q", rlhf.PPO{Policy: "lm", PM: "gone"}); return err }, []string{`PM = "gone"`}},
		{"prompt beyond context", func() error {
			c := ppoConfig()
			c.PM, c.Prompt = "p", 96
			_, err := l.PPO("q", c)
			return err
		}, []string{"Prompt + Response = 108", "96"}},
		{"no prompt fits", func() error {
			c := ppoConfig()
			c.PM, c.Prompt = "p", 4
			_, err := l.PPO("q", c)
			return err
		}, []string{"Prompt = 4", "raise Prompt"}},
		{"long prompt", func() error { return longPrompt }, []string{"prompt 0", "context of 96"}},
		{"empty prompt", func() error { return noPrompt }, []string{"prompt 0", "it is empty"}},
		{"cancelled", func() error { _, err := mustLM(l.With(ctx), "lm").Evaluate(); return err }, []string{"context canceled"}},
		{"no backend", func() error { _, err := local.Open(local.Options{Dir: t.TempDir()}); return err }, []string{"GOMLX_BACKEND"}},
		{"unknown backend", func() error {
			_, err := local.Open(local.Options{Dir: t.TempDir(), Backend: "abacus"})
			return err
		}, []string{`"abacus"`}},
	} {
		err := c.err()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", c.name, err, want)
			}
		}
	}
}

func mustLM(l rlhf.Lab, name string) rlhf.LMRun {
	r, err := l.OpenLM(name)
	if err != nil {
		panic(err)
	}
	return r
}

// The preference model of one tokenizer must not score another's tokens.
func TestTokenizersMustAgree(t *testing.T) {
	l := open(t, t.TempDir())
	for name, vocab := range map[string]int{"lm": 400, "other": 380} {
		c := lmConfig
		c.Vocab = vocab
		r, err := l.LM(name, c)
		if err != nil {
			t.Fatal(err)
		}
		train(t, r, 1)
	}
	if _, err := l.PM("pm", pmConfig); err != nil {
		t.Fatal(err)
	}
	c := ppoConfig()
	c.Policy = "other"
	if _, err := l.PPO("ppo", c); err == nil || !strings.Contains(err.Error(), `"other" has tokenizer`) || !strings.Contains(err.Error(), `"pm"`) {
		t.Errorf("error %v, want one that names both sides", err)
	}
}
