package pm_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/pm"
)

// What is judged are the comparisons that fit, each with the scores of its own
// texts, the chosen one first.
func TestJudgeKeepsPairsAndSidesTogether(t *testing.T) {
	const bound = 2e-5 // float32, between rows of different neighbours
	m := model(t, gx.TestBackend(t), 1)
	cs := comparisons(6)
	cs[2].Chosen.Response = strings.Repeat("z", 2*m.Context) // does not fit
	cs[2].Source = "a.jsonl:3"
	pairs, left, _ := pm.EncodeAll(m.Tok, cs, m.Context)
	if len(pairs) != 5 || len(left) != 1 || left[0].Rows != 1 || !slices.Equal(left[0].Where, []string{"a.jsonl:3"}) {
		t.Fatalf("%d pairs, left out %+v", len(pairs), left)
	}
	js, err := m.Judge(cs, pairs)
	if err != nil {
		t.Fatal(err)
	}
	kept := append(cs[:2:2], cs[3:]...)
	var ts []rlhf.Transcript
	for _, c := range kept {
		ts = append(ts, c.Chosen, c.Rejected)
	}
	scores, err := m.Score(ts)
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range js {
		if j.Comparison != kept[i] {
			t.Errorf("pair %d is %q, want %q", i, j.Comparison.Chosen, kept[i].Chosen)
		}
		chosen, rejected := float64(scores[2*i]), float64(scores[2*i+1])
		if math.Abs(j.Chosen-chosen) > bound || math.Abs(j.Rejected-rejected) > bound {
			t.Errorf("pair %d has scores %v and %v, its texts %v and %v", i, j.Chosen, j.Rejected, chosen, rejected)
		}
		if math.Abs(chosen-rejected) < 100*bound {
			t.Errorf("pair %d: the sides score within %g: the test cannot tell them apart", i, chosen-rejected)
		}
	}
	a := eval.Against("tranche a", js, func(c rlhf.Comparison) (bool, bool) { return true, c.Tranche == "a" })
	if e, err := eval.PM(js); err != nil || e.Tranches[0].Value != a.Value || e.Tranches[0].N != a.N || a.Name != "tranche a" {
		t.Errorf("agreement %+v, measured %+v, %v", a, e.Tranches, err)
	}
}
