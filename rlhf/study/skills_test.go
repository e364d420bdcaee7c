package study_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// uniform are settings in all of which so many of four samples of two questions pass.
func uniform(passed int) []eval.Setting {
	s := eval.Settings()
	for i := range s {
		s[i].Samples, s[i].Passed = 4, []int{passed, passed}
	}
	return s
}

func TestSkillsClaims(t *testing.T) {
	mix := func(joint float64) study.SummaryMix {
		at := func(v float64) rlhf.Accuracy { return rlhf.Accuracy{Value: v} }
		return study.SummaryMix{HHOnHH: at(0.8), BothOnHH: at(0.8 + joint), SummaryOnItself: at(0.9), BothOnSummary: at(0.9 + 2*joint)}
	}
	code := func(before, general int) study.CodeSkill {
		return study.CodeSkill{Before: uniform(before), General: uniform(general), Programs: uniform(4)}
	}
	for _, c := range []struct {
		name string
		s    study.Skills
		want map[string]study.Verdict
	}{
		{"the paper's small model", study.Skills{Code: []study.CodeSkill{code(2, 1), code(3, 2), code(2, 1)}, Summaries: []study.SummaryMix{mix(-0.007), mix(-0.006)}},
			map[string]study.Verdict{"summary-mix": study.Reproduced, "code-small": study.Reproduced, "code-every-k": study.OutOfReach, "humaneval": study.OutOfReach}},
		{"the paper's large model", study.Skills{Code: []study.CodeSkill{code(1, 2), code(2, 3)}, Summaries: []study.SummaryMix{mix(-0.01), mix(-0.01)}},
			map[string]study.Verdict{"summary-mix": study.NotReproduced, "code-small": study.NotReproduced, "code-every-k": study.Reproduced, "humaneval": study.OutOfReach}},
		{"seeds apart", study.Skills{Code: []study.CodeSkill{code(2, 0), code(2, 2)}, Summaries: []study.SummaryMix{mix(0.01)}, HumanEval: &study.HumanEval{Model: "m", Problems: 2, Settings: uniform(1)}},
			map[string]study.Verdict{"summary-mix": study.Reproduced, "code-small": study.NotReproduced, "code-every-k": study.OutOfReach, "humaneval": study.OutOfReach}},
	} {
		got := verdicts(t, c.s.Claims())
		for id, want := range c.want {
			if err := got[id].Check(); err != nil || got[id].Verdict != want {
				t.Errorf("%s, %s: %+v, %v; want %s", c.name, id, got[id], err, want)
			}
		}
	}
}

func TestKs(t *testing.T) {
	if ks := study.Ks(24); !slices.Equal(ks, []int{1, 2, 5, 10, 24}) {
		t.Errorf("%v", ks)
	}
	if got := study.Best(uniform(1), []int{1, 4}); !slices.Equal(got, []float64{0.25, 1}) {
		t.Errorf("%v", got)
	}
}

// The section goes through training, sampling and judging; what it writes is its own and is the same again.
func TestSkills(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and compiles for a minute; -short is set")
	}
	p := smallest()
	p.LMSteps, p.Pairs = 4, 400
	l := openLab(t, t.TempDir())
	defer l.Close()
	st, err := study.Open(l, "s", p, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := study.SpecialisedSkills(st)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Code) != 1 || len(s.Code[0].Programs) != 10 || len(s.Code[0].Before[3].Passed) != 27 || !slices.Equal(s.Tries(), []int{1, 2}) {
		t.Errorf("%+v", s.Code)
	}
	if m := s.Summaries; len(m) != 1 || m[0].BothOnSummary.N == 0 || m[0].HHOnSummary.N != m[0].SummaryOnItself.N || !(m[0].BayesSummary > 0.5) {
		t.Errorf("%+v", m)
	}
	if s.HumanEval != nil || !strings.Contains(s.Why, "neither") {
		t.Errorf("HumanEval: %+v, %q", s.HumanEval, s.Why)
	}
	if _, err := os.Stat(filepath.Join(st.Dir(), "measured", "skills-humaneval.json")); err == nil {
		t.Error("that HumanEval was not at hand is kept, and it would never be measured")
	}
	for _, c := range s.Claims() {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
	}
	// Models are general where their data says so.
	r, err := l.OpenPPO("s-skills-ppo-general-s1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Rollout()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Prompts {
		if strings.Contains(p, "program with") {
			t.Errorf("a general prompt asks for a program: %q", p)
		}
	}
}
