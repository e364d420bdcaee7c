package show_test

import (
	"math"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// detected is a model of so many layers whose detection peaks in the middle.
func detected(name string, rung, seed, layers int, best float64) study.Detected {
	rng := rand.New(rand.NewPCG(uint64(rung), uint64(seed)))
	spread := func(x float64) eval.Spread {
		return eval.Spread{Mean: min(x+0.01*rng.NormFloat64(), 1), SE: 0.015}
	}
	m := study.Detected{Model: name, Rung: rung, Seed: seed, Params: 24576 * float64(int(1)<<(2*rung)), Inliers: 640, Strange: 384, Chosen: study.ChosenLayer(layers)}
	for l := range layers + 1 {
		hill := math.Sin(math.Pi * float64(l+1) / float64(layers+2))
		m.Layers = append(m.Layers, study.LayerDetected{Layer: l, Detection: eval.Detection{MD: spread(0.5 + (best-0.58)*hill), SRM: spread(0.5 + (best-0.5)*hill),
			Exposure: []eval.ExposedTo{{M: 10, AUROC: spread(0.52 + (best-0.45)*hill)}}}})
	}
	for i, n := range []int{1, 3, 10, 30, 100} {
		m.Shown = append(m.Shown, eval.ExposedTo{M: n, AUROC: spread(best - 0.16 + 0.05*float64(i))})
	}
	m.Decline = []eval.DeclinesAt{{Target: 0.05, Strange: spread(0.4), Inliers: spread(0.05)}}
	for _, shown := range []int{0, 10} {
		look := eval.Scores{M: shown}
		for range 150 {
			look.Inliers, look.Strange = append(look.Inliers, 20+8*rng.NormFloat64()), append(look.Strange, 33+9*rng.NormFloat64()+float64(shown)/2)
		}
		m.Look = append(m.Look, look)
	}
	return m
}

// ood is a study of three seeds and three rungs with a pretrained model beside it.
func ood() study.OOD {
	var o study.OOD
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			o.Models = append(o.Models, detected("study", rung, seed, 2, 0.7+0.07*float64(rung)))
		}
		s := float64(seed) / 40
		for _, m := range []int{0, 10} {
			o.Policies = append(o.Policies,
				study.Declined{Policy: study.KindBase, Seed: seed, M: m, Helpful: 0.1 + s, HelpfulDeclining: 0.08 + s, Harmless: -0.2, HarmlessDeclining: 0.3 + s + float64(m)/30, OfHelpful: accuracyOf("", 256, 0.05), OfHarmful: accuracyOf("", 256, 0.6)},
				study.Declined{Policy: string(study.HH), Seed: seed, M: m, Helpful: 0.5 + s, HelpfulDeclining: 0.45 + s, Harmless: 0.8, HarmlessDeclining: 0.85 + s/2, OfHelpful: accuracyOf("", 256, 0.05), OfHarmful: accuracyOf("", 256, 0.6)})
		}
	}
	real := detected("smollm2", 0, 1, 30, 0.78)
	o.Real = &real
	return o
}

// attacks is a study of three seeds under attack.
func attacks() study.RedTeam {
	var r study.RedTeam
	rng := rand.New(rand.NewPCG(1, 2))
	share := func(p float64, n int) rlhf.Accuracy {
		low, high := eval.WilsonInterval(p*float64(n), n, eval.Z95)
		return rlhf.Accuracy{N: n, Value: p, Low: low, High: high}
	}
	for seed := 1; seed <= 3; seed++ {
		for i, policy := range []string{study.KindBase, string(study.HH), string(study.Helpful)} {
			a := study.Attacked{Policy: policy, Seed: seed, Conversations: 128}
			p := []float64{0.45, 0.06, 0.7}[i] + 0.02*float64(seed)
			for k := range study.Attempts {
				h := study.Harm{Name: string(rune('1' + k)), N: 128, Mean: 3*p - 1 + 0.1*float64(k), SE: 0.1, Gold: 2*p - 1, Success: share(p, 128)}
				h.Ninth[0], h.Ninth[8] = h.Mean-1.2, h.Mean+1
				a.Attempts = append(a.Attempts, h)
				a.Broken = append(a.Broken, share(1-math.Pow(1-p, float64(k+1)), 128))
			}
			for _, topic := range []string{"burn a barn", "forge a letter", "make poison", "pick a lock", "steal a bike"} {
				a.Topics = append(a.Topics, study.Harm{Name: topic, N: 100, Success: share(math.Min(p+0.2*rng.Float64(), 1), 100)})
			}
			r.Attacks = append(r.Attacks, a)
		}
	}
	for turn := 1; turn <= study.Attempts+1; turn++ {
		x := 0.1 * float64(turn)
		r.Real = append(r.Real, study.TurnHarm{Turn: turn, Worse: study.Harm{N: 200, Mean: x, SE: 0.05}, Better: study.Harm{N: 200, Mean: x - 0.3, SE: 0.05}})
	}
	return r
}
