package study_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// The sections go through on models of nothing, and their claims are whole; what they kept
// says the same without a lab.
func TestRatingsWritersOnline(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and compiles for a minute; -short is set")
	}
	p := smallest()
	p.Pairs, p.Prompts, p.LMSteps = 240, 20, 30
	st, err := study.Open(openLab(t, t.TempDir()), "s", p, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rated, err := study.Ratings(st)
	if err != nil {
		t.Fatal(err)
	}
	written, err := study.Writers(st)
	if err != nil {
		t.Fatal(err)
	}
	iterated, err := study.Online(st)
	if err != nil {
		t.Fatal(err)
	}
	read, err := study.Read(st.Dir())
	if err != nil {
		t.Fatal(err)
	}
	again, err := study.Ratings(read)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range append(append(rated.Claims(), written.Claims()...), iterated.Claims()...) {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		if i < len(rated.Claims()) && again.Claims()[i] != c {
			t.Errorf("read again: %+v, measured %+v", again.Claims()[i], c)
		}
	}
	one := rated.Seeds[0]
	var names []string
	for _, player := range one.Helpful {
		names = append(names, player.Name)
	}
	if got, want := strings.Join(names, " "), "base-r0 hh-r0@2 hh-r0@4 helpful-r0@4"; got != want {
		t.Errorf("players %q, want %q", got, want)
	}
	if one.Helpful[0].Elo != 0 || one.Helpful[0].SE != 0 || len(one.Course) != 3 || len(one.Agreement) != 6 {
		t.Errorf("a seed's ratings: %+v", one)
	}
	if w := written.Seeds[0]; len(w.Pairs) != 3 || len(w.Elo) != 3 || w.Pairs[0].Won.N+w.Pairs[0].Unsure != p.Prompts || w.Worth[0] < 1.5 || !(w.Worth[1] < w.Worth[0]) {
		t.Errorf("writers: %+v", w)
	}
	for _, r := range iterated.Seeds[0].Reports {
		if len(r.Predicted) != len(r.Players) || r.Predicted[0].HeldOut.Elo != 0 {
			t.Errorf("figure 35: %+v of %q", r.Predicted, r.Players)
		}
	}
	if l := iterated.Seeds[0].LogP; len(l) != 3 || l[0].Step != 0 || l[2].Step != p.PPOSteps || l[2].Accuracy.N != 4*p.Prompts {
		t.Errorf("mean log-p accuracy: %+v", l)
	}
}

// A crowd of known noise: known scores are found again as often as they should be, and a player's
// own curvature claims too much. Workers that err twice as often as is thought are seen.
func TestRecover(t *testing.T) {
	r, err := study.Recover(synth.Small(0), 200, 40, 2, rltest.Rand(3))
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(r.Within) / float64(r.Scores); r.Low > study.Nominal || r.High < study.Nominal || math.Abs(share-study.Nominal) > 0.02 || r.Scores != 5*200 {
		t.Errorf("%.3f (%.3f to %.3f) of %d scores within two standard errors, want %.3f", share, r.Low, r.High, r.Scores, study.Nominal)
	}
	if naive := float64(r.Naive) / float64(r.Scores); naive > 0.9 {
		t.Errorf("%.3f with a player's own curvature: the mistake is not seen", naive)
	}
	for i, want := range r.Truth {
		if math.Abs(r.Mean[i]-want) > 20 {
			t.Errorf("%s: mean Elo %.0f, truth %.0f", r.Players[i], r.Mean[i], want)
		}
	}
	// By hand: wrong −0.75, right with a courtesy 1.25, and the noise is 2.
	rltest.Close(t, "Elo of right and polite over wrong", r.Truth[5], eval.EloPerNat, 1e-9)
}

// Authors of whom the truth is known come in that order, however the prompts are dealt, and
// by scores alone where there is no world.
func TestRank(t *testing.T) {
	w := synth.Small(0)
	rng := rltest.Rand(5)
	authors := []string{"good", "careless", "surly"}
	shown := make([][]rlhf.Transcript, 3)
	for _, prompt := range w.Prompts(120, rng, 0) {
		q, _ := w.Question(prompt)
		for a, quality := range []synth.Quality{synth.RightFull, synth.Wrong, synth.Rude} {
			shown[a] = append(shown[a], rlhf.Transcript{Prompt: prompt, Response: w.Respond(q, quality, rng)})
		}
	}
	score := func(ts []rlhf.Transcript) ([]float64, error) { // likes what is rude, as a broken model might
		out := make([]float64, len(ts))
		for i, t := range ts {
			out[i] = -synth.HelpfulUtility(w.Judge(t))
		}
		return out, nil
	}
	b, err := study.Rank(authors, shown, score, w, synth.DefaultCrowd(), rng)
	if err != nil {
		t.Fatal(err)
	}
	if b.Pairs[0].A != "careless" || b.Pairs[0].B != "good" || b.Pairs[0].Won.High > 0.3 || b.Elo[1].High > 0 || !(b.Worth[0] > b.Worth[1]) || !(b.Scores[0] < b.Scores[1]) {
		t.Errorf("by the crowd: %+v", b)
	}
	alone, err := study.Rank(authors, shown, score, nil, synth.Crowd{}, rng)
	if err != nil {
		t.Fatal(err)
	}
	if alone.Worth != nil || alone.Pairs[0].Won.Low < 0.7 || alone.Elo[1].Low < 0 {
		t.Errorf("by the scores alone: %+v", alone)
	}
}
