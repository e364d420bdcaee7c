package distill_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/distill"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

func stream(name string, step int) *rand.Rand { return run.Seed(3).Stream(name, step) }

// ok returns v; an error ends the test.
func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var world = synth.Small(1)

func newTokenizer(t *testing.T) *tokenizer.BPE {
	return ok[*tokenizer.BPE](t)(tokenizer.TrainBPE(slices.Values(world.Pages(200, 2, stream("tokenizer", 0))), 384))
}

// newModel has weights large enough that the context matters before any training.
func newModel(t *testing.T, tok tokenizer.Tokenizer, width int) distill.Model {
	t.Helper()
	s := lm.Shape{Vocab: tok.VocabSize(), Width: width, Layers: 1, Heads: 2, Context: 160}
	ws := s.Weights()
	for i := range ws {
		ws[i].Std *= 15
	}
	return distill.Model{Shape: s, Weights: ok[[]*tensors.Tensor](t)(lm.Init(gx.TestBackend(t), ws, stream("init", width))), Tokenizer: tok}
}

func clone(t *testing.T, m distill.Model) distill.Model {
	t.Helper()
	m.Weights = ok[[]*tensors.Tensor](t)(gx.Clone(m.Weights))
	return m
}

// newTexts are dialogues of the world, half of them, and plain text.
func newTexts(t *testing.T, tok tokenizer.Tokenizer, n int) [][]int32 {
	var plain, dialogues [][]int32
	for _, d := range world.Corpus(n, stream("texts", 0)) {
		dialogues = append(dialogues, distill.Dialogue(tok, d, true))
		plain = append(plain, distill.Plain(tok, strings.TrimSpace(d.Response), 40))
	}
	texts := distill.Mix(plain, dialogues, distill.PlainShare, n, stream("mix", 0))
	for i := range texts {
		texts[i] = texts[i][:min(len(texts[i]), 40)]
	}
	return texts
}

func ask(t *testing.T, m distill.Model, o distill.Options, texts [][]int32) *distill.Targets {
	t.Helper()
	teacher := ok[*distill.Teacher](t)(distill.NewTeacher(gx.TestBackend(t), m, o))
	return ok[*distill.Targets](t)(teacher.Ask(context.Background(), texts, nil))
}

var settings = distill.Settings{LearningRate: 1e-2, Batch: 8, Planned: 30}

func newTrainer(t *testing.T, student distill.Model, targets *distill.Targets) *distill.Trainer {
	t.Helper()
	return ok[*distill.Trainer](t)(distill.NewTrainer(gx.TestBackend(t), student, targets, settings, stream))
}

func steps(t *testing.T, tr *distill.Trainer, n int) (kl []float64) {
	t.Helper()
	for range n {
		m := ok[map[string]float64](t)(tr.Step())
		kl = append(kl, m["distill/kl"])
		if want := distill.Rate(tr.State.Updates-1, settings.LearningRate, settings.Planned); m["lr"] != want {
			t.Errorf("lr %v, want %v", m["lr"], want)
		}
		if m["distill/tokens"] < 8 || !(m["grad_norm"] >= 0) {
			t.Errorf("step %d: %v", tr.State.Updates, m)
		}
	}
	return kl
}

func TestDistillation(t *testing.T) {
	tok := newTokenizer(t)
	model := newModel(t, tok, 16)
	texts := newTexts(t, tok, 72)
	prompt := distill.Encode(tok, world.HHHPrompt(2, stream("hhh", 0)), true)
	o := distill.Options{Prompt: prompt, K: 20, Batch: 24}
	targets := ask(t, model, o, texts)

	t.Run("what the teacher says", func(t *testing.T) { checkTeacher(t, model, prompt, targets) })

	train, held, err := targets.Split(24)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrainer(t, clone(t, model), train)
	before := ok[distill.Divergence](t)(tr.Evaluate(held))
	first := steps(t, tr, 10)
	middle := ok[[]*tensors.Tensor](t)(gx.Clone(tr.State.Params))
	m, v := ok[[]*tensors.Tensor](t)(gx.Clone(tr.State.M)), ok[[]*tensors.Tensor](t)(gx.Clone(tr.State.V))
	last := steps(t, tr, 20)
	after := ok[distill.Divergence](t)(tr.Evaluate(held))
	t.Logf("KL of a held-out token: %.4f before [%.4f, %.4f], %.4f after", before.KL, before.Low, before.High, after.KL)
	if !(after.High < 0.5*before.Low) {
		t.Errorf("KL %v after, %v before: want less than half", after.KL, before.KL)
	}
	if before.Tokens != held.Tokens() || len(before.PerToken) != 24 {
		t.Errorf("%d tokens of %d texts evaluated, want %d of 24", before.Tokens, len(before.PerToken), held.Tokens())
	}

	t.Run("resumed bit for bit", func(t *testing.T) {
		straight := tr.State
		tr.State = &fit.State{Params: middle, M: m, V: v, Updates: 10}
		if diff := cmp.Diff(last, steps(t, tr, 20)); diff != "" {
			t.Errorf("KL of steps 11 to 30 (-straight +resumed):\n%s", diff)
		}
		for i := range straight.Params {
			a, b := ok[[]float32](t)(gx.Values[float32](straight.Params[i])), ok[[]float32](t)(gx.Values[float32](tr.State.Params[i]))
			if !slices.Equal(a, b) {
				t.Fatalf("weight %d differs", i)
			}
		}
	})

	t.Run("in pieces", func(t *testing.T) {
		cut := settings
		cut.Accumulate = 4
		pieces := ok[*distill.Trainer](t)(distill.NewTrainer(gx.TestBackend(t), clone(t, model), train, cut, stream))
		kl := steps(t, pieces, 3)
		rltest.Close(t, "KL of the first steps", kl, first[:3], 1e-4) // the order of a sum
		rltest.NotClose(t, "KL of the next steps", kl, first[1:4], 1e-3)
	})

	t.Run("a student of another size", func(t *testing.T) {
		d := ok[distill.Divergence](t)(newTrainer(t, newModel(t, tok, 8), train).Evaluate(held))
		if !(d.Low > before.High) {
			t.Errorf("KL of another model %v, of the teacher without its prompt %v", d.KL, before.KL)
		}
	})

	t.Run("errors", func(t *testing.T) {
		be := gx.TestBackend(t)
		other := clone(t, model)
		other.Tokenizer = ok[*tokenizer.BPE](t)(tokenizer.TrainBPE(slices.Values(world.Pages(200, 2, stream("other", 0))), 300))
		_, err := distill.NewTrainer(be, other, train, settings, stream)
		wantError(t, err, "tokenizer", "is not the teacher's")
		short := clone(t, model)
		short.Shape.Context = 12
		_, err = distill.NewTrainer(be, short, train, settings, stream)
		wantError(t, err, "more than the student's context of 12")
		_, err = distill.NewTrainer(be, model, train, distill.Settings{}, stream)
		wantError(t, err, "LearningRate = 0, want > 0")
		_, err = distill.NewTrainer(be, model, train, distill.Settings{LearningRate: 1, Batch: 8, Accumulate: 3}, stream)
		wantError(t, err, "Accumulate = 3, want a divisor of Batch = 8")
		_, err = distill.NewTeacher(be, model, distill.Options{K: model.Shape.Vocab})
		wantError(t, err, "K = 384, want from 1 to 383")
		_, err = distill.NewTeacher(be, model, distill.Options{Prompt: []int32{384}})
		wantError(t, err, "outside the vocabulary of 384")

		teacher := ok[*distill.Teacher](t)(distill.NewTeacher(be, model, o))
		long := slices.Repeat([]int32{9}, teacher.Room()+1)
		_, err = teacher.Ask(context.Background(), [][]int32{texts[0], long}, nil)
		wantError(t, err, "text 1 has", "that is 161, more than the teacher's context of 160")
		_, err = teacher.Ask(context.Background(), [][]int32{{9}}, nil)
		wantError(t, err, "text 0 has 1 tokens, want at least 2")
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err = teacher.Ask(cancelled, texts, nil); err != context.Canceled {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

// checkTeacher compares the targets with the model's logits over the whole of C
// and X, position by position. Known mistake: the teacher's positions off by one.
func checkTeacher(t *testing.T, model distill.Model, prompt []int32, targets *distill.Targets) {
	seqs := make([][]int32, 3)
	for i := range seqs {
		seqs[i] = append(slices.Clone(prompt), targets.Texts[i]...)
	}
	tokens, segments, err := lm.LayOut(gx.TestBackend(t), seqs, model.Shape.Context, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	program := gx.NewProgram(gx.TestBackend(t), "all logits", func(in []*Node) []*Node {
		net := lm.NewNet(model.Shape, in[2:])
		return []*Node{net.Logits(net.Hidden(in[0], lm.Positions(in[1]), lm.CausalBias(in[1])))}
	})
	out := ok[[]*tensors.Tensor](t)(program.Call(append([]any{tokens, segments}, gx.Keep(model.Weights)...)...))
	all, v := ok[[]float32](t)(gx.Values[float32](out[0])), model.Shape.Vocab
	for i, seq := range seqs {
		if _, _, ok := targets.Said(i, 0); ok {
			t.Errorf("text %d: token 0 counts, though the student cannot predict it", i)
		}
		for j := 1; j < len(targets.Texts[i]); j++ {
			at := func(slot int) []float64 { return rltest.Flat(all[(i*model.Shape.Context+slot)*v:][:v]) }
			slot := len(prompt) + j - 1
			_, want := rl.TopLogProbsPlain(at(slot), targets.K)
			_, got, ok := targets.Said(i, j)
			if !ok {
				t.Fatalf("text %d: token %d does not count", i, j)
			}
			rltest.Close(t, "log-probabilities", got, want, rltest.Float32)
			if slot+1 < len(seq) {
				_, shifted := rl.TopLogProbsPlain(at(slot+1), targets.K)
				rltest.NotClose(t, "log-probabilities one position later", got, shifted, 1e-3)
			}
		}
	}
}

// With nothing before the text the teacher is the student: no KL from the start.
// Known mistake: a student that sees the prompt has nothing to learn either, while
// one that does not has (TestDistillation).
func TestNothingToDistil(t *testing.T) {
	tok := newTokenizer(t)
	model := newModel(t, tok, 16)
	texts := newTexts(t, tok, 16)
	prompt := distill.Encode(tok, world.HHHPrompt(1, stream("hhh", 0)), true)
	for _, c := range []struct {
		name string
		opt  distill.Options
	}{
		{"no prompt", distill.Options{}},
		{"both see the prompt", distill.Options{Start: prompt}},
	} {
		c.opt.Batch = 8
		targets := ask(t, model, c.opt, texts)
		if targets.K != distill.K {
			t.Errorf("K = %d by default", targets.K)
		}
		d := ok[distill.Divergence](t)(newTrainer(t, clone(t, model), targets).Evaluate(targets))
		if !(math.Abs(d.KL) < 1e-6) {
			t.Errorf("%s: KL %v in a token, want 0 to 1e-6", c.name, d.KL)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	tok := newTokenizer(t)
	model := newModel(t, tok, 8)
	texts := newTexts(t, tok, 9)
	teacher := ok[*distill.Teacher](t)(distill.NewTeacher(gx.TestBackend(t), model, distill.Options{K: 5, Batch: 4, Start: []int32{tok.EOS()}}))
	var done []int
	targets := ok[*distill.Targets](t)(teacher.Ask(context.Background(), texts, func(n int) { done = append(done, n) }))
	if diff := cmp.Diff([]int{4, 8, 9}, done); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if want := len(slices.Concat(texts...)); targets.Tokens() != want || targets.Bytes() != int64(44*want) {
		t.Errorf("%d tokens, %d bytes; with a start every one of the %d counts, at 44 bytes", targets.Tokens(), targets.Bytes(), want)
	}
	path := filepath.Join(t.TempDir(), "targets.safetensors")
	if err := targets.Save(path); err != nil {
		t.Fatal(err)
	}
	got := ok[*distill.Targets](t)(distill.Load(path))
	if diff := cmp.Diff(targets, got, cmp.AllowUnexported(distill.Targets{})); diff != "" {
		t.Errorf("(-saved +loaded):\n%s", diff)
	}
	if got.Key != teacher.Key(texts) || got.Key == teacher.Key(texts[1:]) {
		t.Error("the key does not tell texts apart")
	}
	data := ok[[]byte](t)(os.ReadFile(path))
	for name, damage := range map[string]func([]byte) []byte{
		"truncated":     func(b []byte) []byte { return b[:len(b)-1] },
		"a bit flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		if err := os.WriteFile(path, damage(slices.Clone(data)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := distill.Load(path)
		if wantError(t, err, path, "ask the teacher again"); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, _, err := targets.Split(9); err == nil {
		t.Error("split with nothing to train on")
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		step int
		want float64
	}{{0, 2}, {5, 1}, {9, 0.2}, {10, 0}, {11, 0}} {
		rltest.Close(t, "rate", distill.Rate(c.step, 2, 10), c.want, rltest.Float64)
	}
	s := distill.Settings{LearningRate: 1}.Filled(100)
	if diff := cmp.Diff(distill.Settings{LearningRate: 1, Batch: 32, Planned: 3, ClipNorm: 1, Accumulate: 1}, s); diff != "" {
		t.Errorf("one pass over 100 texts (-want +got):\n%s", diff)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v, want %q in it", err, p)
		}
	}
}
