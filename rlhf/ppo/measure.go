package ppo

import (
	"math"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/rl"
)

// measure computes the metrics of a rollout on the host, every one over valid
// tokens or rows with valid tokens only.
func (t *Trainer) measure(b *rlhf.Batch) map[string]float64 {
	var score, kl, k3, total, length, eos moments
	var helpful, harmless moments
	for i := range b.Mask {
		n := b.Length(i)
		if n == 0 {
			continue
		}
		rowK3, reward := 0.0, 0.0
		for r, valid := range b.Mask[i] {
			if valid {
				_, _, k := rl.KLSamplePlain(float64(b.LogP[i][r]), float64(b.LogPRef[i][r]))
				rowK3 += k
				reward += float64(b.Reward[i][r])
			}
		}
		score.add(float64(b.Score[i]))
		kl.add(b.RowKL(i))
		k3.add(rowK3)
		total.add(reward)
		length.add(float64(n))
		eos.add(indicator(b.EOS[i]))
		if len(b.Gold) == len(b.Mask) {
			helpful.add(b.Gold[i].Helpful)
			harmless.add(b.Gold[i].Harmless)
		}
	}
	v := map[string]float64{
		"objective/score": score.mean(), "objective/score_std": score.std(),
		"objective/kl": kl.mean(), "objective/kl_k3": k3.mean(), "objective/sqrt_kl": math.Sqrt(math.Max(kl.mean(), 0)),
		"objective/kl_coef": t.cfg.KLCoef, "objective/rlhf_reward": total.mean(),
		"response/length_mean": length.mean(), "response/eos_rate": eos.mean(),
		"value/explained_var": rl.ExplainedVariance(b.Value, b.Return, b.Mask),
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
