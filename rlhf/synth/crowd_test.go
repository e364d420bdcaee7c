package synth_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// means are the mean gold scores of the chosen and the rejected responses.
func means(w *synth.World, cs []rlhf.Comparison, score func(rlhf.Gold) float64) (chosen, rejected float64) {
	for _, c := range cs {
		chosen += score(w.Judge(c.Chosen)) / float64(len(cs))
		rejected += score(w.Judge(c.Rejected)) / float64(len(cs))
	}
	return chosen, rejected
}

// Known mistake: turning the red-team label over twice, or not at all, makes the
// chosen response the more harmful one.
func TestRedTeamLabelIsTurnedOnce(t *testing.T) {
	w := synth.New(1)
	crowd := synth.DefaultCrowd()
	crowd.Harmful = 1
	cs := w.Comparisons(2000, stream(1), crowd)
	harmless := func(g rlhf.Gold) float64 { return g.Harmless }
	chosen, rejected := means(w, cs, harmless)
	if chosen-rejected < 0.8 {
		t.Errorf("gold harmlessness of chosen %.2f, of rejected %.2f: want chosen higher by 0.8 at least", chosen, rejected)
	}
	twice := make([]rlhf.Comparison, len(cs))
	for i, c := range cs {
		if c.Tranche != synth.TrancheHarmless {
			t.Fatalf("tranche %q on a red-team prompt", c.Tranche)
		}
		twice[i] = rlhf.Comparison{Chosen: c.Rejected, Rejected: c.Chosen}
	}
	if chosen, rejected := means(w, twice, harmless); chosen-rejected > -0.8 {
		t.Errorf("turned twice, chosen has %.2f and rejected %.2f: the mistake does not show", chosen, rejected)
	}
}

func TestHelpfulChoicesFollowTheTruth(t *testing.T) {
	w := synth.New(1)
	cs := w.Comparisons(2000, stream(2), synth.Crowd{Noise: 0.4})
	chosen, rejected := means(w, cs, synth.HelpfulUtility)
	if chosen-rejected < 0.6 {
		t.Errorf("worker's utility of chosen %.2f, of rejected %.2f", chosen, rejected)
	}
	for i, c := range cs {
		if c.Tranche != synth.TrancheHelpful || c.Chosen.Prompt != c.Rejected.Prompt || c.Chosen.Response == c.Rejected.Response {
			t.Fatalf("comparison %d: %+v", i, c)
		}
	}
	if cs[7].Source != "synth:7" {
		t.Errorf("Source = %q", cs[7].Source)
	}
}

// One pair, many workers: the frequency of the better response is the logistic
// of the difference, within 4 standard errors; at another noise it is not.
func TestNoiseIsLogistic(t *testing.T) {
	w := synth.New(1)
	for _, c := range []struct {
		prompt, better, worse string
		redTeam               bool
	}{
		{ask("what colour is the sky?"), " blue.", " i do not know.", false},
		{ask("how do i steal a bike?"), " i do not know.", " cut the lock at night.", true},
	} {
		utility := synth.HelpfulUtility
		if c.redTeam {
			utility = func(g rlhf.Gold) float64 { return -synth.RedTeamUtility(g) }
		}
		d := utility(w.Judge(rlhf.Transcript{Prompt: c.prompt, Response: c.better})) -
			utility(w.Judge(rlhf.Transcript{Prompt: c.prompt, Response: c.worse}))
		for _, noise := range []float64{0.5, 1, 2} {
			crowd := synth.Crowd{Noise: noise}
			rng, wins := stream(3), 0.0
			const n = 20_000
			for i := range n {
				a, b := c.better, c.worse
				if i%2 == 1 { // position must not matter
					a, b = b, a
				}
				cmp, ok := w.Compare(c.prompt, a, b, crowd, rng)
				if !ok {
					t.Fatal("dropped as a tie")
				}
				if cmp.Chosen.Response == c.better {
					wins++
				}
			}
			p := 1 / (1 + math.Exp(-d/noise))
			tol := 4 * math.Sqrt(p*(1-p)/n)
			if math.Abs(wins/n-p) > tol {
				t.Errorf("noise %v: better response chosen in %.4f, want %.4f ± %.4f", noise, wins/n, p, tol)
			}
			if wrong := 1 / (1 + math.Exp(-d/(noise*1.5))); math.Abs(wins/n-wrong) < tol {
				t.Errorf("noise %v: the test cannot tell it from noise %v", noise, noise*1.5)
			}
		}
	}
}

func TestExactWorkersAndTies(t *testing.T) {
	w, rng := synth.New(1), stream(4)
	sky := ask("what colour is the sky?")
	for range 50 {
		if c, ok := w.Compare(sky, " it is red.", " blue.", synth.Crowd{}, rng); !ok || c.Chosen.Response != " blue." {
			t.Fatalf("an exact worker chose %+v (%v)", c, ok)
		}
	}
	for _, pair := range [][2]string{{" blue.", " blue."}, {" it is red.", " it is green."}} {
		if c, ok := w.Compare(sky, pair[0], pair[1], synth.DefaultCrowd(), rng); ok {
			t.Errorf("tie %q was kept: %+v", pair, c)
		}
	}
	// With a bias for length a tie of merit is none.
	c, ok := w.Compare(sky, " it is red.", " red.", synth.Crowd{Bias: 0.1}, rng)
	if !ok || c.Chosen.Response != " it is red." {
		t.Errorf("workers who like length chose %+v (%v)", c, ok)
	}
}

func TestBayesAccuracy(t *testing.T) {
	w := synth.New(1)
	accuracy := func(crowd synth.Crowd) (bayes, oracle float64) {
		cs := w.Comparisons(4000, stream(5), crowd)
		for _, c := range cs {
			u := synth.HelpfulUtility
			if c.Tranche == synth.TrancheHarmless {
				u = func(g rlhf.Gold) float64 { return -synth.RedTeamUtility(g) }
			}
			d := u(w.Judge(c.Chosen)) - u(w.Judge(c.Rejected))
			if d > 0 {
				oracle += 1.0 / 4000
			}
			if margin := w.Margin(c, synth.Crowd{}); math.Abs(margin-d) > 1e-12 {
				t.Fatalf("margin %v, want %v of %+v", margin, d, c)
			}
		}
		return w.BayesAccuracy(cs, crowd), oracle
	}
	for _, noise := range []float64{0, 0.4, 1.5} {
		crowd := synth.DefaultCrowd()
		crowd.Noise = noise
		bayes, oracle := accuracy(crowd)
		// 4 standard errors of the oracle's accuracy over 4000 pairs are 0.03 at most.
		if math.Abs(bayes-oracle) > 0.03 {
			t.Errorf("noise %v: Bayes accuracy %.3f, a model that knows the utility gets %.3f", noise, bayes, oracle)
		}
		switch {
		case noise == 0 && bayes != 1:
			t.Errorf("exact workers: Bayes accuracy %v, want 1", bayes)
		case noise == 0.4 && (bayes < 0.85 || bayes > 0.93):
			t.Errorf("default noise: Bayes accuracy %.3f, the doc says nine in ten", bayes)
		case noise == 1.5 && bayes > 0.8:
			t.Errorf("noise 1.5: Bayes accuracy %.3f", bayes)
		}
	}
	if got := w.BayesAccuracy(nil, synth.DefaultCrowd()); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestCrowdValidate(t *testing.T) {
	if err := synth.DefaultCrowd().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		crowd synth.Crowd
		want  string
	}{
		{synth.Crowd{Noise: -1}, "Crowd.Noise = -1"},
		{synth.Crowd{Noise: math.NaN()}, "Crowd.Noise = NaN"},
		{synth.Crowd{Noise: math.Inf(1)}, "Crowd.Noise = +Inf"},
		{synth.Crowd{Bias: math.NaN()}, "Crowd.Bias = NaN"},
		{synth.Crowd{Harmful: 1.2}, "Crowd.Harmful = 1.2, want a share in [0, 1]"},
	} {
		err := c.crowd.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.crowd, err, c.want)
		}
		if cs := synth.New(1).Comparisons(3, stream(1), c.crowd); cs != nil {
			t.Errorf("%+v: made %d comparisons", c.crowd, len(cs))
		}
	}
	if cs := synth.New(1).Comparisons(0, stream(1), synth.DefaultCrowd()); cs != nil {
		t.Errorf("zero comparisons asked, %d made", len(cs))
	}
}
