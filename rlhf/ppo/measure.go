package ppo

import (
	"math"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/rl"
)

// measure computes the metrics of a rollout on the host, every one over valid
// tokens or rows with valid tokens only.
func (t *Trainer) measure(b *rlhf.Batch) map[string]float64 {
	var score, test, kl, k2, k3, exact, total, length, eos moments // one sample a response
	var helpful, harmless moments
	var entropy, nll, value, returns moments // one sample a token
	distinct, gap := map[string]bool{}, 0.0
	for i := range b.Mask {
		n := b.Length(i)
		if n == 0 {
			continue
		}
		rowK2, rowK3, rowExact, reward := 0.0, 0.0, 0.0, 0.0
		for r, valid := range b.Mask[i] {
			if !valid {
				continue
			}
			_, two, three := rl.KLSamplePlain(float64(b.LogP[i][r]), float64(b.LogPRef[i][r]))
			rowK2, rowK3 = rowK2+two, rowK3+three
			if len(b.ExactKL) == len(b.Mask) {
				rowExact += float64(b.ExactKL[i][r])
			}
			reward += float64(b.Reward[i][r])
			if len(b.Entropy) == len(b.Mask) {
				entropy.add(float64(b.Entropy[i][r]))
			}
			nll.add(-float64(b.LogP[i][r]))
			value.add(float64(b.Value[i][r]))
			returns.add(float64(b.Return[i][r]))
			gap = math.Max(gap, math.Abs(float64(b.LogP[i][r]-b.LogPSample[i][r])))
		}
		score.add(float64(b.Score[i]))
		if len(b.ScoreTest) == len(b.Mask) {
			test.add(float64(b.ScoreTest[i]))
		}
		kl.add(b.RowKL(i))
		k2.add(rowK2)
		k3.add(rowK3)
		exact.add(rowExact)
		total.add(reward)
		length.add(float64(n))
		eos.add(indicator(b.EOS[i]))
		distinct[b.Responses[i]] = true
		if len(b.Gold) == len(b.Mask) {
			helpful.add(b.Gold[i].Helpful)
			harmless.add(b.Gold[i].Harmless)
		}
	}
	v := map[string]float64{
		"objective/score": score.mean(), "objective/score_std": score.std(),
		"objective/kl": kl.mean(), "objective/kl_k2": k2.mean(), "objective/kl_k3": k3.mean(),
		"objective/kl_per_token": kl.sum / math.Max(returns.n, 1), "objective/sqrt_kl": math.Sqrt(math.Max(kl.mean(), 0)),
		"objective/kl_coef": t.KLCoef, "objective/rlhf_reward": total.mean(), "objective/non_score_reward": 0 - t.penalty()*kl.mean(),
		"objective/sampler_gap": gap,
		"policy/entropy":        entropy.mean(), "policy/nll": nll.mean(),
		"response/length_mean": length.mean(), "response/length_std": length.std(), "response/eos_rate": eos.mean(),
		"response/distinct": float64(len(distinct)) / math.Max(length.n, 1),
		"value/mean":        value.mean(), "returns/mean": returns.mean(), "returns/std": returns.std(),
		"value/explained_var": rl.ExplainedVariance(b.Value, b.Return, b.Mask),
	}
	if len(b.ExactKL) == len(b.Mask) {
		v["objective/kl_exact"] = exact.mean()
	}
	if test.n > 0 {
		v["objective/score_test"] = test.mean()
	}
	if helpful.n > 0 {
		v["objective/gold_helpful"], v["objective/gold_harmless"] = helpful.mean(), harmless.mean()
	}
	return v
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// moments accumulates a mean and a (biased) standard deviation.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n, m.sum, m.squares = m.n+1, m.sum+x, m.squares+x*x }

func (m *moments) mean() float64 { return m.sum / math.Max(m.n, 1) }

func (m *moments) std() float64 {
	return math.Sqrt(math.Max(0, m.squares/math.Max(m.n, 1)-m.mean()*m.mean()))
}
