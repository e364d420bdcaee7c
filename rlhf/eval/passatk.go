package eval

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
)

// PassAtK estimates the probability that at least one of k samples passes, from n ≥ k
// samples of which c passed, without bias (Chen et al. 2021, eq. 1):
//
//	pass@k = 1 − C(n−c, k)/C(n, k)
//
// which is the chance that k samples drawn without replacement from the n hold one of the
// c. It is computed as 1 − Π_{i=n−c+1}^{n} (1 − k/i), whose factors lie in [0, 1], because
// the binomials themselves overflow. The tempting 1 − (1 − c/n)^k is biased downwards: it
// draws with replacement. Only k samples of a larger n say much: at n = k the estimate is 0 or 1.
func PassAtK(n, c, k int) (float64, error) {
	switch {
	case k < 1:
		return 0, fmt.Errorf("eval: pass@k: k = %d, want at least 1", k)
	case n < k:
		return 0, fmt.Errorf("eval: pass@k: k = %d of n = %d samples, want at least as many samples as k", k, n)
	case c < 0 || c > n:
		return 0, fmt.Errorf("eval: pass@k: c = %d of n = %d samples pass, want 0 to n", c, n)
	case n-c < k:
		return 1, nil
	}
	fail := 1.0
	for i := n - c + 1; i <= n; i++ {
		fail *= 1 - float64(k)/float64(i)
	}
	return 1 - fail, nil
}

// Attempts are the samples of one problem: how many there were and how many passed.
type Attempts struct {
	N      int `json:"n"`
	Passed int `json:"passed"`
}

// MeanPassAtK is the mean of [PassAtK] over problems, with a percentile bootstrap interval
// over the problems at 95 % (2,000 resamples of a fixed seed). Problems are the independent
// units: the samples of one share its difficulty, so that an interval over samples would be too narrow.
func MeanPassAtK(problems []Attempts, k int) (rlhf.Accuracy, error) {
	if len(problems) == 0 {
		return rlhf.Accuracy{}, fmt.Errorf("eval: pass@%d of no problems, want at least one", k)
	}
	each := make([]float64, len(problems))
	out := rlhf.Accuracy{Name: fmt.Sprintf("pass@%d", k), N: len(problems)}
	for i, p := range problems {
		v, err := PassAtK(p.N, p.Passed, k)
		if err != nil {
			return rlhf.Accuracy{}, fmt.Errorf("problem %d: %w", i, err)
		}
		each[i] = v
		out.Value += v / float64(len(problems))
	}
	out.Low, out.High = BootstrapInterval(each, 0.95, 2000, rand.New(rand.NewPCG(uint64(k), uint64(len(problems)))))
	return out, nil
}

// A Setting is one way of sampling and what it achieved on the problems.
type Setting struct {
	Temperature float64 `json:"temperature"` // 0: greedy
	TopP        float64 `json:"top_p"`       // 1: all tokens
	Samples     int     `json:"samples"`     // of each problem
	Passed      []int   `json:"passed"`      // of each problem's samples
}

// Problems returns the attempts at each problem.
func (s Setting) Problems() []Attempts {
	out := make([]Attempts, len(s.Passed))
	for i, c := range s.Passed {
		out[i] = Attempts{N: s.Samples, Passed: c}
	}
	return out
}

// Settings are those of figure 21, from which each k takes its best: temperatures 0 (greedy), 0.4, 0.6, 0.8
// and 1, each with top-p 0.95 and 1. Samples and Passed are empty.
func Settings() []Setting {
	var out []Setting
	for _, t := range []float64{0, 0.4, 0.6, 0.8, 1} {
		for _, p := range []float64{0.95, 1} {
			out = append(out, Setting{Temperature: t, TopP: p})
		}
	}
	return out
}

// BestPassAtK is the highest mean pass@k among the settings, and which of them has it, as figure 21 takes
// for each k the maximum over its ten. The maximum of several noisy means is too high by its choice; what is
// compared with it must be chosen from as many.
func BestPassAtK(settings []Setting, k int) (best rlhf.Accuracy, at int, err error) {
	if len(settings) == 0 {
		return best, -1, fmt.Errorf("eval: the best pass@%d of no settings, want at least one", k)
	}
	for i, s := range settings {
		v, err := MeanPassAtK(s.Problems(), k)
		if err != nil {
			return best, -1, fmt.Errorf("temperature %g, top-p %g: %w", s.Temperature, s.TopP, err)
		}
		if i == 0 || v.Value > best.Value {
			best, at = v, i
		}
	}
	return best, at, nil
}

// PassEach samples each prompt in each of the settings, samples times and at most tokens long, and
// returns the settings with what passed. Greedy samples of a prompt are all one, which is drawn once and counts for
// all. sample is asked for at most [PassBatch] prompts at a time.
func PassEach(settings []Setting, prompts []string, samples, tokens int, seed uint64, sample func([]string, rlhf.Sampling) ([]rlhf.Sample, error),
	passes func(i int, prompt, response string) (bool, error)) ([]Setting, error) {
	out := slices.Clone(settings)
	for i := range out {
		if j := slices.IndexFunc(out[:i], func(s Setting) bool { return s.Temperature == 0 }); out[i].Temperature == 0 && j >= 0 {
			out[i].Samples, out[i].Passed = samples, out[j].Passed // the likeliest token is in every nucleus
			continue
		}
		if err := out[i].pass(prompts, samples, tokens, seed, sample, passes); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PassBatch is how many prompts PassEach gives out at a time.
const PassBatch = 512

func (s *Setting) pass(prompts []string, samples, tokens int, seed uint64, sample func([]string, rlhf.Sampling) ([]rlhf.Sample, error),
	passes func(int, string, string) (bool, error)) error {
	o := rlhf.Sampling{Temperature: s.Temperature, TopP: s.TopP, MaxTokens: tokens, Seed: seed}
	each := samples
	if s.Temperature == 0 {
		o.Temperature, o.TopP, each = -1, 0, 1
	}
	if o.TopP == 1 {
		o.TopP = 0
	}
	s.Samples, s.Passed = samples, make([]int, len(prompts))
	for from := 0; from < each*len(prompts); from += PassBatch {
		batch := make([]string, min(PassBatch, each*len(prompts)-from))
		for i := range batch {
			batch[i] = prompts[(from+i)%len(prompts)]
		}
		o.Seed = seed + uint64(from)
		answers, err := sample(batch, o)
		if err != nil {
			return err
		}
		for i, a := range answers {
			at := (from + i) % len(prompts)
			passed, err := passes(at, a.Prompt, a.Response)
			if err != nil {
				return err
			}
			if passed {
				s.Passed[at] += samples / each
			}
		}
	}
	return nil
}
