package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/synth"
)

// trunked is a lab with a small language model "lm" to build on.
func trunked(t *testing.T, dir string) *local.Lab {
	t.Helper()
	l := open(t, dir)
	r, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, r, 2)
	return l
}

func mustPM(t *testing.T, l rlhf.Lab, name string, c rlhf.PM) rlhf.PMRun {
	t.Helper()
	r, err := l.PM(name, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// frozenConfig trains a head on the trunk's activations.
func frozenConfig() rlhf.PM {
	c := pmConfig
	c.Frozen, c.Readout, c.WeightDecay, c.Centre = true, "end+mean", 0.1, true
	return c
}

// A head on a frozen trunk: interrupted while the trunk reads, and between steps, it
// ends where a straight run ends, bit for bit; its file of activations serves every
// run on the same trunk and data and goes with the last of them; a trunk that was
// trained further is refused.
func TestFrozenTrunk(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	la, lb := trunked(t, a), trunked(t, b)
	straight := mustPM(t, la, "pm", frozenConfig())
	train(t, straight, 6)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := mustPM(t, lb.With(ctx), "pm", frozenConfig())
	var ended error
	for e, err := range r.Steps(6) {
		if strings.HasPrefix(e.Message, "the trunk has read") {
			cancel()
		}
		ended = err
	}
	if !errors.Is(ended, context.Canceled) || !strings.Contains(ended.Error(), "which are kept") {
		t.Fatalf("interrupted while the trunk reads: %v", ended)
	}
	train(t, mustPM(t, lb, "pm", frozenConfig()), 2)
	if err := lb.Close(); err != nil {
		t.Fatal(err)
	}
	lb = open(t, b)
	again := mustPM(t, lb, "pm", frozenConfig())
	train(t, again, 4)
	same(t, a, b, "pm")

	// The score of a text is the score from the file; scores have mean 0.
	e, err := again.Evaluate()
	if err != nil {
		t.Fatal(err)
	}
	cs, err := again.Comparisons(4)
	if err != nil {
		t.Fatal(err)
	}
	one, err := again.Score([]rlhf.Transcript{cs[0].Chosen, cs[0].Rejected})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(e.Mean) > 3*e.SD/math.Sqrt(float64(e.All.N)) {
		t.Errorf("mean score %v ± %v after centring", e.Mean, e.SD)
	}
	info, err := again.Info()
	if err != nil || info.Params != 2*32+1 || info.NonEmbedding != 12*32*32 {
		t.Errorf("%d trained parameters, trunk %d (%v)", info.Params, info.NonEmbedding, err)
	}

	files := func() int {
		found, err := filepath.Glob(filepath.Join(b, ".activations", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	other := frozenConfig()
	other.Swap, other.Seed = true, pmConfig.Seed
	swapped := mustPM(t, lb, "swapped", other)
	train(t, swapped, 1)
	if n := files(); n != 1 {
		t.Errorf("%d files of activations for two runs on one trunk and data", n)
	}
	if runs, err := lb.Runs(); err != nil || len(runs) != 3 {
		t.Errorf("%d runs, %v: the folder of activations is none", len(runs), err)
	}
	if err := errors.Join(lb.Remove("swapped")); err != nil || files() != 1 {
		t.Errorf("%d files, want the one that pm uses (%v)", files(), err)
	}

	lm := mustLM(lb, "lm")
	train(t, lm, 1)
	if err := lb.Close(); err != nil {
		t.Fatal(err)
	}
	lb = open(t, b)
	gone, err := lb.OpenPM("pm")
	if err == nil {
		_, err = gone.Score([]rlhf.Transcript{cs[0].Chosen})
	}
	if err == nil || !strings.Contains(err.Error(), `"pm" has a head for the trunk`) || !strings.Contains(err.Error(), `"lm" has the weights`) {
		t.Errorf("a trunk that was trained further: %v", err)
	}
	if err := lb.Remove("pm"); err != nil || files() != 0 {
		t.Errorf("%d files without a run (%v)", files(), err)
	}
	if one[0] == one[1] {
		t.Error("both responses have one score")
	}
}

// Half and half, both ways round: no conversation stands on both sides, and the
// evaluation on other data leaves out what the model was trained on.
func TestSplitsAndOtherData(t *testing.T) {
	l := trunked(t, t.TempDir())
	c := pmConfig
	c.Rows, c.HeldOut, c.Split = 400, 0.5, 3
	a := mustPM(t, l, "a", c)
	c.Swap = true
	b := mustPM(t, l, "b", c)
	sides := func(r rlhf.PMRun) map[string]bool {
		cs, err := r.Comparisons(400)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, c := range cs {
			before, _, _ := strings.Cut(c.Chosen.Prompt, rlhf.Assistant)
			out[before] = true
		}
		return out
	}
	left, right := sides(a), sides(b)
	if len(left) < 20 || len(right) < 20 {
		t.Fatalf("%d and %d conversations are held out", len(left), len(right))
	}
	for s := range left {
		if right[s] {
			t.Errorf("%q is held out on both sides", s)
		}
	}
	train(t, a, 1)
	e, err := a.EvaluateOn(rlhf.Synth, 300)
	if err != nil {
		t.Fatal(err)
	}
	if e.All.N == 0 || e.All.N > 300 || e.Gold == nil || e.Bayes == 0 || !slices.ContainsFunc(e.Notes, func(n string) bool { return strings.Contains(n, "was trained on their conversations") }) {
		t.Errorf("on its own world: %+v", e)
	}
	// A file of one of its training pairs leaves nothing.
	path := filepath.Join(t.TempDir(), "known.jsonl")
	known, err := b.Comparisons(1) // held out of b, so a was trained on it
	if err != nil {
		t.Fatal(err)
	}
	line, _ := json.Marshal(map[string]string{"chosen": known[0].Chosen.String(), "rejected": known[0].Rejected.String()})
	if err := os.WriteFile(path, append(line, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.EvaluateOn(path, 0); err == nil || !strings.Contains(err.Error(), "none is left") {
		t.Errorf("a file that it was trained on: %v", err)
	}
	if e, err := b.EvaluateOn(path, 0); err != nil || e.All.N != 1 {
		t.Errorf("a file that it was not trained on: %+v, %v", e.All, err)
	}
}

// Pretraining on a forum, then finetuning: trunk and head go on; tranches have the
// shares that were asked for.
func TestPretrainedThenMixed(t *testing.T) {
	l := trunked(t, t.TempDir())
	c := pmConfig
	c.Data, c.LMCoef = rlhf.Synth+rlhf.ForumOf, 1
	pmp := mustPM(t, l, "pmp", c)
	train(t, pmp, 3)
	before, err := pmp.Evaluate()
	if err != nil || before.Gold != nil {
		t.Fatalf("on the forum: %+v, %v", before, err)
	}
	cs, err := pmp.Comparisons(50)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		if good, bad := strings.HasPrefix(c.Chosen.Response, " GOOD:"), strings.HasPrefix(c.Chosen.Response, " BAD:"); good == bad || c.Chosen.Response[6:] == c.Rejected.Response {
			t.Fatalf("chosen %q, rejected %q", c.Chosen.Response, c.Rejected.Response)
		}
	}
	c = pmConfig
	c.LM, c.Data, c.Mix = "pmp", rlhf.Synth, []rlhf.Share{{Data: synth.TrancheHelpful, Weight: 1}}
	tuned := mustPM(t, l, "tuned", c)
	scores := func(r rlhf.PMRun) []float64 {
		s, err := r.Score([]rlhf.Transcript{cs[0].Chosen, cs[1].Rejected})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if a, b := scores(pmp), scores(tuned); !slices.Equal(a, b) {
		t.Errorf("finetuning begins at scores %v, pretraining ended at %v", b, a)
	}
	e, err := tuned.Evaluate()
	if err != nil || len(e.Tranches) != 1 || e.Tranches[0].Name != synth.TrancheHelpful {
		t.Errorf("a mix of helpful comparisons alone has %+v (%v)", e.Tranches, err)
	}
	for name, want := range map[string]struct {
		change func(*rlhf.PM)
		text   []string
	}{
		"other readout":  {func(c *rlhf.PM) { c.Readout = "end+mean" }, []string{`Readout = "end+mean"`, `"pmp" has "end"`}},
		"unknown share":  {func(c *rlhf.PM) { c.Mix = []rlhf.Share{{Data: "helpful", Weight: 1}} }, []string{`Mix[0].Data = "helpful"`, "synth-harmless"}},
		"unknown weight": {func(c *rlhf.PM) { c.Weights = []rlhf.Share{{Data: "harmless", Weight: 2}} }, []string{`Weights[0].Data = "harmless"`, `["synth-helpful"]`}},
		"shares below 1": {func(c *rlhf.PM) { c.Mix = []rlhf.Share{{Data: synth.TrancheHelpful, Weight: 0.5}} }, []string{"the sum of Mix's shares = 0.5, want 1"}},
		"layers":         {func(c *rlhf.PM) { c.LM, c.Layers = "lm", 7 }, []string{"Layers = 7", `the 1 of LM = "lm"`}},
		"frozen and LM":  {func(c *rlhf.PM) { c.Frozen, c.LMCoef = true, 1 }, []string{"LMCoef = 1, want 0 with Frozen"}},
	} {
		bad := c
		want.change(&bad)
		_, err := l.PM("bad", bad)
		for _, text := range want.text {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error %v, want one with %q", name, err, text)
			}
		}
	}
}

// A published checkpoint is a trunk as it is; odd rows stand in the manifest by line.
func TestCheckpointTrunk(t *testing.T) {
	l := open(t, t.TempDir())
	folder := t.TempDir()
	var text strings.Builder
	row := func(chosen, rejected string) {
		line, _ := json.Marshal(map[string]string{"prompt": "Tell me a story.", "chosen": chosen, "rejected": rejected})
		text.Write(append(line, '\n'))
	}
	for i := range 40 {
		row("Once upon a time there was a girl."+strings.Repeat(" She ran.", i%8), "No."+strings.Repeat(" No.", i%5))
	}
	row("Same.", "Same.")
	row("Once upon a time.", "")
	row(strings.Repeat("Once upon a time there was a dog. ", 200), "No.")
	row("Once upon a time there was a girl.", "No.") // of row 1 again
	path := filepath.Join(folder, "stories.jsonl")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	rltest.Data(t, "model/stories260K.bin") // skips without it
	c := rlhf.PM{LM: "stories", Data: path, Frozen: true, Layers: 3, HeldOut: 0.01, Batch: 8, WeightDecay: 0.01}
	r := mustPM(t, l, "judge", c)
	info, err := r.Info()
	if err != nil {
		t.Fatal(err)
	}
	d := info.Data[0]
	var reasons []string
	for _, o := range d.Odd {
		reasons = append(reasons, o.Reason)
		for _, w := range o.Where {
			if !strings.HasPrefix(w, "stories.jsonl:4") {
				t.Errorf("%s: at %q", o.Reason, w)
			}
		}
	}
	if d.Read != 44 || len(d.Odd) != 4 || !strings.Contains(strings.Join(reasons, "\n"), "exceed Context = 256") {
		t.Errorf("data %+v", d)
	}
	if _, err := l.PM("nothing", rlhf.PM{LM: "stories"}); err == nil || !strings.Contains(err.Error(), "was not trained here; name the comparisons") {
		t.Errorf("no data: %v", err)
	}
}

// Predict is what Read says of a piece of text, token by token, with no end token; of any
// prompt, and in whatever company.
func TestPredict(t *testing.T) {
	l := trunked(t, t.TempDir())
	m := mustLM(l, "lm")
	ts := []rlhf.Transcript{
		{Prompt: rlhf.Human + " what is the capital of france?" + rlhf.Assistant, Response: " it is paris."},
		{Prompt: "the capital", Response: " of france"},
		{Prompt: rlhf.Human + " what is the capital of france?" + rlhf.Assistant + " it is", Response: " paris"},
	}
	got, err := m.Predict(ts)
	if err != nil {
		t.Fatal(err)
	}
	for i, tr := range ts {
		tokens, err := m.Read(tr.String())
		if err != nil {
			t.Fatal(err)
		}
		prompt, err := m.Read(tr.Prompt)
		if err != nil {
			t.Fatal(err)
		}
		var want rlhf.Prediction
		for _, tok := range tokens[len(prompt):] {
			want.LogP, want.Tokens = want.LogP+tok.LogP, want.Tokens+1
			if tok.Rank == 1 {
				want.First++
			}
		}
		if math.Abs(got[i].LogP-want.LogP) > 1e-4 || got[i].Tokens != want.Tokens || got[i].First != want.First {
			t.Errorf("%q: %+v, want %+v", tr.Response, got[i], want)
		}
	}
	whole, err := m.LogP(ts[:1])
	if err != nil {
		t.Fatal(err)
	}
	if whole[0] > got[0].LogP-1e-3 {
		t.Errorf("a piece of text has log p %v, with the end token %v: want less", got[0].LogP, whole[0])
	}
	if _, err := m.Predict([]rlhf.Transcript{ts[0], {Prompt: "the capital"}}); err == nil || !strings.Contains(err.Error(), "transcript 1 has 11 bytes of prompt and 0 of response") {
		t.Errorf("no response: %v", err)
	}
}

// LogP is the sum of what Read says of the response and its end.
func TestLogP(t *testing.T) {
	l := trunked(t, t.TempDir())
	m := mustLM(l, "lm")
	tr := rlhf.Transcript{Prompt: rlhf.Human + " what is the capital of france?" + rlhf.Assistant, Response: " it is paris."}
	got, err := m.LogP([]rlhf.Transcript{tr, {Prompt: rlhf.Assistant, Response: tr.Response}})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := m.Read(tr.String())
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := m.Read(tr.Prompt)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, tok := range tokens[len(prompt):] {
		want += tok.LogP
	}
	if got[0] >= want { // the end token is one more
		t.Errorf("log p %v, without the end token %v", got[0], want)
	}
	if got[0] == got[1] {
		t.Errorf("the question makes no difference: %v", got)
	}
}
