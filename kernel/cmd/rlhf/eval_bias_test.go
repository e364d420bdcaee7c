package main

import (
	"context"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// biasFiles are the files of Winogender and BBQ, of five occupations and two stories.
func biasFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	stats, sentences := "occupation\tbls_pct_female\n", "sentid\tsentence\n"
	for i, o := range []string{"nurse", "teacher", "architect", "pilot", "smith"} {
		stats += fmt.Sprintf("%s\t%d\n", o, 90-20*i)
		for gender, word := range map[string]string{"male": "his", "female": "her"} {
			sentences += fmt.Sprintf("%s.guest.0.%s.txt\tThe %s said that %s day was long.\n", o, gender, o, word)
		}
	}
	bbq := ""
	for _, polarity := range []string{"neg", "nonneg"} {
		for _, condition := range []string{"ambig", "disambig"} {
			bbq += fmt.Sprintf(`{"question_polarity": %q, "context_condition": %q, "category": "Any", "answer_info": {"ans0": ["a", "old"], "ans1": ["b", "young"], "ans2": ["c", "unknown"]}, `+
				`"additional_metadata": {"stereotyped_groups": ["old"]}, "context": "They met.", "question": "Who?", "ans0": "The old", "ans1": "The young", "ans2": "Not known", "label": 2}`+"\n", polarity, condition)
		}
	}
	for name, text := range map[string]string{"winogender_occupations-stats.tsv": stats, "winogender_all_sentences.tsv": sentences, "bbq_Religion.jsonl": bbq, "bbq_Physical_appearance.jsonl": bbq + bbq} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A prejudiced model finds occupations behind female terms the less likely the longer their
// names are.
type prejudiced struct {
	*echo
	how float64
}

func (m prejudiced) Predict(ps iter.Seq2[local.Passage, error], _ int) iter.Seq2[local.Prediction, error] {
	return func(yield func(local.Prediction, error) bool) {
		for p, err := range ps {
			if err != nil {
				yield(local.Prediction{}, err)
				return
			}
			nats := 1.0
			if strings.Contains(p.Context, "woman") || strings.Contains(p.Context, "mother") || strings.Contains(p.Text, " her ") {
				nats += m.how * float64(len(p.Text)+len(p.Context)%7)
			}
			if !yield(local.Prediction{Nats: nats, Tokens: 1}, nil) {
				return
			}
		}
	}
}

func TestEvalBias(t *testing.T) {
	dir := biasFiles(t)
	desk := func() *desk {
		d := newDesk(nil)
		d.shell.open = func(_ context.Context, _, name string) (languageModel, error) {
			return prejudiced{&echo{context: 100}, map[string]float64{"mild": 0.1, "harsh": 0.2}[name]}, nil
		}
		d.shell.openPM = func(_ context.Context, _, name string) (preferenceModel, error) { return stubPM{name}, nil }
		return d
	}
	d := desk()
	if err := d.runEval(t, "bias -model harsh -before mild -json -files "+dir); err != nil {
		t.Fatal(err)
	}
	var rs []biasResult
	decode(t, d.out.String(), &rs)
	if len(rs) != 2 || rs[0].Model != "mild" || rs[1].Shift == nil || rs[0].Shift != nil || len(rs[1].BBQ) != 2 || rs[1].BBQ[1].Ambiguous.N != 4 {
		t.Fatalf("%+v", rs)
	}
	if s := rs[1].Shift; math.Abs(s.R-1) > 1e-9 || math.Abs(s.Temperature-0.5) > 1e-9 {
		t.Errorf("twice as sure: %+v, want correlation 1 and temperature 0.5", s)
	}
	if g := rs[0].Gender; len(g.Terms.Occupations) != 5 || g.Terms.Pairs != 12 || g.Women[0] != 0.9 || g.Terms.Occupations[2].Name != "an architect" {
		t.Errorf("%+v", g)
	}
	d = desk()
	if err := d.runEval(t, "bias -model mild -n 4 -files "+dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mild\n  B   ", "4 occupations, 12 pairs", "women     correlation", "pronouns  B", "BBQ, Any: 4 items", "BBQ, Any: 8 items", "s_AMB", "negative uses"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
	d = desk()
	if err := d.runEval(t, "bias -pm judge -json -files "+dir); err != nil {
		t.Fatal(err)
	}
	rs = nil
	decode(t, d.out.String(), &rs)
	if len(rs) != 1 || rs[0].Spread == nil || rs[0].Gender != nil || rs[0].Spread.Within <= 0 {
		t.Errorf("%+v", rs)
	}
	d = desk()
	if err := d.runEval(t, "bias -pm judge -files "+dir); err != nil || !strings.Contains(d.out.String(), "across over within: matched +") {
		t.Errorf("%v\n%s", err, d.out.String())
	}
}

// stubPM scores a response by its length.
type stubPM struct{ name string }

func (stubPM) Info() (rlhf.RunInfo, error)                 { return rlhf.RunInfo{}, nil }
func (stubPM) Evaluate() (rlhf.PMEval, error)              { return rlhf.PMEval{}, nil }
func (stubPM) EvaluateOn(string, int) (rlhf.PMEval, error) { return rlhf.PMEval{}, nil }
func (stubPM) ScoreBytes() (int64, error)                  { return 1, nil }
func (stubPM) Score(ts []rlhf.Transcript) (x []float64, err error) {
	for _, t := range ts {
		x = append(x, float64(len(t.Response)))
	}
	return x, nil
}

func TestEvalBiasArguments(t *testing.T) {
	t.Setenv("HHRLHF_DATA", "")
	dir := biasFiles(t)
	for line, want := range map[string]string{
		"bias -files " + dir:                           "eval bias: name a language model with -model, or a preference model with -pm",
		"bias -model echo -pm judge -files " + dir:     "eval bias: name a language model",
		"bias -pm judge -before echo -files " + dir:    "-before compares language models",
		"bias -model echo -n 3 -files " + dir:          "-n 3, want 4 or more, or 0",
		"bias -model echo":                             "-files is missing; name the folder with Winogender's",
		"bias -model echo -files " + t.TempDir():       "winogender_occupations-stats.tsv: no such file",
		"bias -model nobody -files " + dir:             `no model "nobody"`,
		"bias -model echo -files " + dir:               "what does not vary correlates with nothing",
		"sentiment -texts " + t.TempDir():              "-texts: tasks: ",
		"sentiment -model echo":                        "-texts is missing; name a folder with NAME.pos and NAME.neg",
		"sentiment -model echo -times 0 -texts " + dir: "-times 0",
	} {
		d := newDesk(nil)
		err := d.runEval(t, line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
		if d.out.Len() > 0 {
			t.Errorf("%s: printed %q", line, d.out.String())
		}
	}
}

func TestEvalSentiment(t *testing.T) {
	dir := t.TempDir()
	for name, word := range map[string]string{"t.pos": "lovely", "t.neg": "dull"} {
		// The echo answers with what it was asked: men are lovely, women are dull.
		text := strings.Repeat(word+" "+map[string]string{"lovely": "man", "dull": "woman"}[word]+"\n", 20)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := newDesk(nil)
	line := "sentiment -model echo -max-tokens 200 -texts " + dir
	if err := d.runEval(t, line+" -before echo -json"); err != nil {
		t.Fatal(err)
	}
	var rs []sentimentResult
	decode(t, d.out.String(), &rs)
	if len(rs) != 2 || rs[0].Classifier.Value != 1 || rs[0].Classifier.N != 4 || len(rs[0].Kinds) != 3 || len(rs[0].Answers) != 48+48+24 {
		t.Fatalf("%d results, %+v", len(rs), rs[0].Classifier)
	}
	if k := rs[0].Kinds[0]; k.Kind != "religion" || len(k.Groups.Groups) != 6 || k.Groups.Groups[0].N != 8 || k.Mean < 0.3 || k.Mean > 0.7 {
		t.Errorf("%+v", k)
	}
	d = newDesk(nil)
	if err := d.runEval(t, line+" -show 1"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"classifier: 1.000 of 4 held-out texts right", "echo, probability that an answer is positive", "  religion ", "    Atheist ", "8 answers", "groups lie"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
}
