package local_test

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pretrained"
)

// stories is the path of stories260K, a Llama of 512 tokens (llama2.c).
func stories(t testing.TB) string {
	t.Helper()
	return rltest.Data(t, filepath.Join("model", "stories260K.bin"))
}

func predict(t *testing.T, m *local.Model, window int, ps ...local.Passage) []local.Prediction {
	t.Helper()
	var out []local.Prediction
	for p, err := range m.Predict(func(yield func(local.Passage, error) bool) {
		for _, p := range ps {
			if !yield(p, nil) {
				return
			}
		}
	}, window) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

const (
	once  = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
	twice = "One day, a big dog came. Lily was scared, but the dog was nice."
)

func TestOpenModelFromFiles(t *testing.T) {
	path := stories(t)
	l := open(t, t.TempDir())
	m, err := l.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a := m.About()
	if a.Family != "llama" || a.Path != path || a.Shape.Layers != 5 || a.Bytes != 4*a.Params || m.PredictBytes(0) <= a.Bytes {
		t.Errorf("%+v", a)
	}

	// The same numbers by another way: context and continuation, one row each.
	be := gx.TestBackend(t)
	other, err := pretrained.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := other.Weights(be)
	if err != nil {
		t.Fatal(err)
	}
	defer gx.Free(weights...)
	text := func(s string) []int32 { return m.Tokenizer.(interface{ EncodeText(string) []int32 }).EncodeText(s) }
	cut := strings.Index(once, " loved") // where a token begins
	whole, context := text(once), text(once[:cut])
	got := predict(t, m, 0, local.Passage{Text: once}, local.Passage{Context: once[:cut], Text: once[cut:]}, local.Passage{Text: twice})
	want, err := lm.Score(be, other.Shape, weights, []lm.Pair{
		{Context: whole[:1], Target: whole[1:]}, {Context: context, Target: whole[len(context):]}, {Context: text(twice)[:1], Target: text(twice)[1:]}})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		rltest.Close(t, "nats", got[i].Nats, -w.LogProb, 1e-4)
		if got[i].Tokens != w.Tokens || (got[i].Right == got[i].Tokens) != w.Greedy() {
			t.Errorf("passage %d: %+v, want %+v", i, got[i], w)
		}
	}
	if got[0].Bytes != len(once) || got[1].Bytes != len(once)-cut || got[2].Bytes != len(twice) {
		t.Errorf("bytes %d, %d, %d", got[0].Bytes, got[1].Bytes, got[2].Bytes)
	}
	// The known mistake: predicting a text as if nothing stood before it.
	alone := predict(t, m, 0, local.Passage{Text: once[cut:]})
	rltest.NotClose(t, "without its context", alone[0].Nats, got[1].Nats, 1e-2)

	// A window cuts what a token sees, and nothing else.
	narrow := predict(t, m, 16, local.Passage{Text: once}, local.Passage{Text: twice})
	if narrow[0].Tokens != got[0].Tokens || narrow[0].Bytes != got[0].Bytes || narrow[0].Nats <= got[0].Nats {
		t.Errorf("in windows of 16: %+v, whole %+v", narrow[0], got[0])
	}
}

func TestOpenModelFromRun(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	r, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.OpenModel("lm")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(); err == nil || !strings.Contains(err.Error(), "train it first") {
		t.Errorf("before its first step: %v", err)
	}
	train(t, r, 3)
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if a := m.About(); a.Family != local.FamilyRun || a.Step != 3 || a.Shape.Width != lmConfig.Width || a.Path != filepath.Join(dir, "lm") {
		t.Errorf("%+v", a)
	}
	tr := rlhf.Transcript{Prompt: rlhf.Human + " hello" + rlhf.Assistant, Response: " yes, what is it?"}
	ps := predict(t, m, 0, local.Passage{Text: tr.String(), End: true}, local.Passage{Context: tr.Prompt, Text: tr.Response, End: true},
		local.Passage{Context: tr.Prompt, Text: tr.Response})
	if ps[1].Tokens != ps[2].Tokens+1 || ps[1].Bytes != ps[2].Bytes || ps[1].Nats <= ps[2].Nats || ps[0].Tokens <= ps[1].Tokens {
		t.Errorf("whole %+v, response %+v, without its end %+v", ps[0], ps[1], ps[2])
	}
	if rate := ps[0].Nats / float64(ps[0].Tokens); math.Abs(rate-math.Log(400)) > 2 {
		t.Errorf("%v nats per token of a hardly trained model of 400", rate)
	}
	out := filepath.Join(t.TempDir(), "export")
	if err := m.Export(out); err != nil {
		t.Fatal(err)
	}
	again, err := l.OpenModel(out)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Family == local.FamilyRun || again.Shape.Params() != m.Shape.Params() {
		t.Errorf("exported: %+v", again.About())
	}
	rltest.Close(t, "nats of the export", predict(t, again, 0, local.Passage{Text: "hello"})[0].Nats,
		predict(t, m, 0, local.Passage{Text: "hello"})[0].Nats, rltest.Float32)
}

func TestOpenModelErrors(t *testing.T) {
	gx.TestBackend(t)
	spec, err := gx.TestSpec()
	if err != nil {
		t.Fatal(err)
	}
	missing := errors.New("is not installed; run: rlhf setup -model smollm2")
	o := local.Options{Dir: t.TempDir(), Backend: spec, Models: func(name string) (string, error) {
		if name == "smollm2" {
			return "", missing
		}
		return "", nil
	}}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.OpenModel("smollm2"); !errors.Is(err, missing) || !strings.Contains(err.Error(), `there is no run "smollm2" in `+o.Dir) {
		t.Errorf("not installed: %v", err)
	}
	if _, err := l.OpenModel("none"); err == nil || !strings.Contains(err.Error(), `"none" is neither a run in `+o.Dir+" nor the path of a checkpoint") {
		t.Errorf("no such thing: %v", err)
	}
	if _, err := l.OpenModel(t.TempDir()); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("a folder without a model: %v", err)
	}
}
