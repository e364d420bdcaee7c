package show_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// accuracyOf returns the share of n pairs with its interval, the normal one.
func accuracyOf(name string, n int, share float64) rlhf.Accuracy {
	half := 1.96 * math.Sqrt(share*(1-share)/float64(n))
	return rlhf.Accuracy{Name: name, N: n, Value: share, Low: max(0, share-half), High: min(1, share+half)}
}

// fullPMEval is an evaluation with everything that can be measured, of a model
// whose confidence is too low by the factor slope.
func fullPMEval(slope float64) rlhf.PMEval {
	e := pmEval()
	e.Slope, e.SlopeSE, e.Brier, e.ZeroGrad, e.SD, e.Mean = slope, 0.04, 0.176, 0.013, 1.3, -0.42
	for i := range e.Bins {
		b := &e.Bins[i]
		d := math.Log(b.Predicted / (1 - b.Predicted))
		b.Accuracy = min(1, 1/(1+math.Exp(-slope*d))+0.02*float64(i%3-1))
	}
	for i, v := range []float64{0.781, 0.748, 0.741, 0.729, 0.735} {
		name := strconv.Itoa(i + 1)
		if i == 4 {
			name = "5+"
		}
		e.Turns = append(e.Turns, accuracyOf(name, 1804/(1+2*i), v))
	}
	for i := range 11 {
		at := -3 + 0.5*float64(i)
		e.Thresholds = append(e.Thresholds, rlhf.Threshold{Above: at, Accuracy: accuracyOf("", int(1000/(1+math.Exp(1.8*at))), 0.742-0.05/(1+math.Exp(-2*at)))})
	}
	e.Notes = []string{"12 comparisons left out: their conversation was trained on"}
	return e
}

// lower takes d off every accuracy by turn.
func lower(e rlhf.PMEval, d float64) rlhf.PMEval {
	for i, a := range e.Turns {
		e.Turns[i] = accuracyOf(a.Name, a.N, a.Value-d)
	}
	return e
}

// mixes are the accuracies that the paper's figure 19 shows, and d more.
func mixes(name string, d float64) show.Sweep {
	s := show.Sweep{Name: name}
	for i := range 11 {
		t := float64(i) / 10
		s.X = append(s.X, 10*float64(i))
		s.Evals = append(s.Evals, rlhf.PMEval{Tranches: []rlhf.Accuracy{
			accuracyOf("synth-harmless", 400, 0.74+d-0.38*math.Exp(-9*t)),
			accuracyOf("synth-helpful", 800, 0.73+d-0.37*math.Exp(-9*(1-t))),
		}})
	}
	return s
}

// climbs are best-of-k and reinforcement learning: the score rises with √KL, and the
// truth turns.
func climbs() []show.Climb {
	value := func(n int, kl, score, half float64) eval.Optimised {
		return eval.Optimised{N: n, KL: kl, Mean: score, Low: score - half, High: score + half}
	}
	best, ppo := show.Climb{Name: "best of k"}, show.Climb{Name: "PPO"}
	for _, n := range []int{1, 4, 16, 64} {
		kl := eval.BestOfKL(n)
		d := math.Sqrt(kl)
		best.Score, best.Gold = append(best.Score, value(n, kl, -0.5+1.3*d, 0.15)), append(best.Gold, value(n, kl, 0.1+0.5*d-0.17*kl, 0.08))
	}
	for step := range 6 {
		d := 0.6 * float64(step)
		ppo.Score, ppo.Gold = append(ppo.Score, value(0, d*d, -0.5+0.8*d, 0.15)), append(ppo.Gold, value(0, d*d, 0.1+0.3*d-0.12*d*d, 0.08))
	}
	return []show.Climb{best, ppo}
}

// weights are accuracies under weights of the harmless loss.
func weights() show.Sweep {
	s := show.Sweep{X: []float64{1, 2, 3, 4, 10}}
	for _, w := range s.X {
		s.Evals = append(s.Evals, rlhf.PMEval{Tranches: []rlhf.Accuracy{
			accuracyOf("helpful-base", 2354, 0.72-0.004*w), accuracyOf("harmless-base", 2312, 0.64+0.03*math.Log(w)),
		}})
	}
	return s
}

// pmHistory is the history of a preference model with its scores, and with its
// language-model loss if it is trained on that too.
func pmHistory(n int, lm bool) []rlhf.Point {
	points := history("pm", n, false)
	r := rand.New(rand.NewPCG(5, 6))
	for i, p := range points {
		t := float64(i) / float64(n)
		p.Values["pm/chosen"] = 0.8*t + 0.15*r.NormFloat64()
		p.Values["pm/rejected"] = -0.5*t + 0.15*r.NormFloat64()
		p.Values["pm/margin"] = p.Values["pm/chosen"] - p.Values["pm/rejected"]
		if lm {
			p.Values["pm/lm_loss"] = 2.4 + 0.3*math.Exp(-4*t) + 0.05*r.NormFloat64()
		}
	}
	return points
}

// judgedPairs returns n pairs and how a model scores them.
func judgedPairs(n int) []eval.Judged {
	r := rand.New(rand.NewPCG(7, 8))
	js := make([]eval.Judged, n)
	for i := range js {
		p := rlhf.Human + " Hello." + rlhf.Assistant + " Hello! How can I help?" + rlhf.Human + fmt.Sprintf(" What is %d + 4?", i) + rlhf.Assistant
		common := r.NormFloat64() // prompts differ more than the responses to one
		js[i] = eval.Judged{
			Chosen: common + 0.7*r.NormFloat64() + 0.7, Rejected: common + 0.7*r.NormFloat64(),
			Comparison: rlhf.Comparison{
				Chosen:   rlhf.Transcript{Prompt: p, Response: fmt.Sprintf(" It is %d.", i+4)},
				Rejected: rlhf.Transcript{Prompt: p, Response: " You fool."}, Tranche: "synth-helpful", Source: fmt.Sprintf("synth:%d", i),
			},
		}
	}
	return js
}

// ladder is a grid of three sizes and four numbers of pairs.
func ladder() []eval.ScalingPoint {
	r := rand.New(rand.NewPCG(9, 10))
	var points []eval.ScalingPoint
	for _, params := range []float64{196_608, 884_736, 3_145_728} {
		for _, pairs := range []float64{1500, 3000, 6000, 12000} {
			f := eval.ScalingFit{C: 0.63, A: 0.017, B: 0.024, Params0: 8e5, Pairs0: 4e3}
			points = append(points, eval.ScalingPoint{Params: params, Pairs: pairs, Accuracy: f.At(params, pairs) + 0.006*r.NormFloat64(), SE: 0.008})
		}
	}
	return points
}
