package synth_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/rlhf/synth"
)

func TestSolves(t *testing.T) {
	w := synth.New(1)
	prompts := synth.ProgramPrompts(12)
	if len(prompts) != 6 || prompts[0] != "\n\nHuman: write a program with add that gives 12.\n\nAssistant:" {
		t.Fatalf("%q", prompts)
	}
	for response, want := range map[string]bool{
		" this works: push 5 push 7 add.":               true,
		" sure! try push 12 push 0 add. anything else?": true,
		" push 5 push 7 add":                            true,
		" push 2 push 6 mul push 0 add.":                true, // with add, among others
		" push 5 push 6 add.":                           false,
		" push 3 push 4 mul.":                           false, // 12, but without add
		" push 12.":                                     false,
		" push 5 push 7 add add.":                       false,
		" i do not know.":                               false,
		"":                                              false,
		" try push 5. push 7 add.":                      false, // cut in two
		" no.\n\nHuman: push 5 push 7 add.":             false, // another's turn
	} {
		if got, err := w.Solves(prompts[0], response); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", response, got, err, want)
		}
	}
	if _, err := w.Solves("\n\nHuman: what is 1 plus 2?\n\nAssistant:", " 3."); err == nil {
		t.Error("a sum is judged as a program")
	}
	// The gold labeller thinks of whole answers as the program says.
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 2; n <= 10; n++ {
		for _, p := range synth.ProgramPrompts(n) {
			q, _ := w.Question(p)
			for _, quality := range []synth.Quality{synth.RightFull, synth.RightCurt, synth.Wrong, synth.Evasive} {
				r := w.Respond(q, quality, rng)
				if got, err := w.Solves(p, r); err != nil || got != (quality == synth.RightFull || quality == synth.RightCurt) {
					t.Errorf("%s %q: %v, %v", quality, r, got, err)
				}
			}
		}
	}
}

func TestSkillComparisons(t *testing.T) {
	w := synth.New(1)
	for _, skill := range []string{"summary", "write", "harm"} {
		cs, err := w.SkillComparisons(50, skill, rand.New(rand.NewPCG(1, 2)), synth.DefaultCrowd())
		if err != nil || len(cs) != 50 {
			t.Fatalf("%s: %d, %v", skill, len(cs), err)
		}
		for _, c := range cs {
			if q, ok := w.Question(c.Chosen.Prompt); !ok || q.Skill != skill || c.Tranche != "synth-"+skill || c.Chosen == c.Rejected {
				t.Errorf("%+v", c)
			}
		}
	}
	for _, skill := range []string{"", "cooking"} {
		if _, err := w.SkillComparisons(1, skill, rand.New(rand.NewPCG(1, 2)), synth.DefaultCrowd()); err == nil || !strings.Contains(err.Error(), "no skill") {
			t.Errorf("%q: %v", skill, err)
		}
	}
	if _, err := synth.Small(1).SkillComparisons(1, "summary", rand.New(rand.NewPCG(1, 2)), synth.DefaultCrowd()); err == nil {
		t.Error("the small world sums up")
	}
	if _, err := w.SkillComparisons(1, "summary", rand.New(rand.NewPCG(1, 2)), synth.Crowd{Noise: -1}); err == nil {
		t.Error("a negative noise is taken")
	}
}

func TestSkillCorpus(t *testing.T) {
	w := synth.New(1)
	ts, err := w.SkillCorpus(400, "write", rand.New(rand.NewPCG(1, 2)))
	if err != nil || len(ts) != 400 {
		t.Fatalf("%d, %v", len(ts), err)
	}
	right := 0
	for _, tr := range ts {
		passes, err := w.Solves(tr.Prompt, tr.Response)
		if err != nil {
			t.Fatal(err)
		}
		if passes {
			right++
		}
	}
	// As in the corpus, about half answer rightly: 45 of 100, 5 more behind a hedge, a few rudely.
	if right < 160 || right > 240 {
		t.Errorf("%d of 400 pass, want about half", right)
	}
	if _, err := synth.Small(1).SkillCorpus(1, "write", rand.New(rand.NewPCG(1, 2))); err == nil {
		t.Error("the small world writes programs")
	}
}
