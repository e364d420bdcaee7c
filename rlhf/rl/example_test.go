package rl_test

import (
	"fmt"

	"hhrlhf/rlhf/rl"
)

// Two valid tokens, then padding that holds nonsense.
func Example() {
	logp := [][]float64{{-1.0, -0.5, 99}}
	logpRef := [][]float64{{-1.2, -0.4, 99}}
	value := [][]float64{{0.3, 0.6, 99}}
	mask := [][]bool{{true, true, false}}
	score := []float64{1}

	_, reward := rl.ShapedRewardPlain(logp, logpRef, mask, score, 0.1, rl.PerToken)
	adv, ret := rl.GAEPlain(reward, value, mask, 1, 0.95)
	fmt.Printf("reward    %.3f\n", reward[0])
	fmt.Printf("advantage %.3f\n", adv[0])
	fmt.Printf("return    %.3f\n", ret[0])
	// Output:
	// reward    [-0.020 1.010 0.000]
	// advantage [0.669 0.410 0.000]
	// return    [0.970 1.010 0.000]
}

// The first token's probability rose by half: with a positive advantage that is
// beyond the clip and earns nothing more.
func ExamplePolicyLossPlain() {
	old := [][]float64{{-1.0, -1.0}}
	logp := [][]float64{{-0.6, -1.1}}
	adv := [][]float64{{2, 2}}
	p := rl.PolicyLossPlain(logp, old, adv, [][]bool{{true, true}}, 0, 0.2)
	fmt.Printf("loss %.3f, clipped %.0f %%, approximate KL %.4f\n", p.Loss, 100*p.ClipFrac, p.KL3)
	// Output: loss -2.105, clipped 50 %, approximate KL 0.0483
}

func ExamplePreferenceLossPlain() {
	p := rl.PreferenceLossPlain([]float64{2, 0}, []float64{0, 1}, nil, []bool{true, true}, 0, rl.PreferenceOptions{})
	fmt.Printf("loss %.3f, accuracy %.2f, gap %.2f\n", p.Loss, p.Accuracy, p.Gap)
	// Output: loss 0.720, accuracy 0.50, gap 0.50
}

func ExampleAdaptiveKL() {
	c := rl.AdaptiveKL{Coef: 0.1, TargetPerResponse: 6, HorizonEpisodes: 10000}
	for _, kl := range []float64{2, 6, 12} {
		if err := c.Update(kl, 1000); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("KL %2.0f nats: β %.4f\n", kl, c.Coef)
	}
	// Output:
	// KL  2 nats: β 0.0980
	// KL  6 nats: β 0.0980
	// KL 12 nats: β 0.1000
}
