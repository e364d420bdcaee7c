package rlhf

// A Batch is one rollout on its way through the phases of a PPO step:
//
//	Rollout → Score → Shape → Advantages → Update
//
// Each phase fills its own fields and reads the earlier ones, so that whoever
// holds the batch between two phases, a notebook cell for one, may look at it
// or change it: replace Score, drop rows by clearing Mask, and so on.
//
// Per-token fields are [B][R]; a slot whose Mask is false holds zero.
type Batch struct {
	Run  string `json:"run"`
	Step int    `json:"step"` // the step that this batch will be when updated, from 1
	// PerPrompt is how many adjacent rows answer one prompt: rows k·PerPrompt to
	// (k+1)·PerPrompt−1 answer prompt k.
	PerPrompt int `json:"per_prompt"`

	// Filled by Rollout.
	Prompts     []string    `json:"prompts"`      // [B] text, ending in "\n\nAssistant:"
	Responses   []string    `json:"responses"`    // [B] text up to the end token
	PromptIDs   [][]int32   `json:"prompt_ids"`   // [B][≤P], unpadded
	ResponseIDs [][]int32   `json:"response_ids"` // [B][R], padded after the end token
	Pieces      [][]string  `json:"pieces"`       // [B][≤R] visible text of the valid tokens
	Mask        [][]bool    `json:"mask"`         // [B][R] true up to and including the end token
	EOS         []bool      `json:"eos"`          // [B] whether the policy ended its response itself
	LogPSample  [][]float32 `json:"logp_sample"`  // [B][R] log π(a_t|s_t) as the sampler saw it, nats

	// Filled by Score.
	Score   []float32   `json:"score"`    // [B] from the preference model, or from your own reward; zeros if there is neither
	LogP    [][]float32 `json:"logp"`     // [B][R] log π(a_t|s_t) of the scoring pass: PPO's old log-probability
	LogPRef [][]float32 `json:"logp_ref"` // [B][R] log π₀(a_t|s_t)
	Value   [][]float32 `json:"value"`    // [B][R] V(s_t)
	Entropy [][]float32 `json:"entropy"`  // [B][R] of π(·|s_t), nats
	// ExactKL is D_KL(π‖π₀) at each state over the whole vocabulary, [B][R] in nats,
	// where that is small; else nil.
	ExactKL [][]float32 `json:"exact_kl,omitempty"`
	// ScoreTest is [B] from PPO.TestPM, for the eye.
	ScoreTest []float32 `json:"score_test,omitempty"`

	// Filled by Shape.
	KL     [][]float32 `json:"kl"`     // [B][R] k_t = LogP − LogPRef (k1), nats
	Reward [][]float32 `json:"reward"` // [B][R] r_t

	// Filled by Advantages.
	Advantage [][]float32 `json:"advantage"` // [B][R] whitened unless NoWhiten
	Return    [][]float32 `json:"return"`    // [B][R] A_t + V(s_t), before whitening

	// Gold holds the true labels where the data has them (the synthetic world).
	// They are for the eye: nothing trains on them.
	Gold []Gold `json:"gold,omitempty"`
}

// Length returns the number of valid tokens of row b.
func (b *Batch) Length(row int) int {
	n := 0
	for _, m := range b.Mask[row] {
		if m {
			n++
		}
	}
	return n
}

// RowKL returns Σ_t k_t of a row in nats, after Shape.
func (b *Batch) RowKL(row int) float64 {
	kl := 0.0
	for t, m := range b.Mask[row] {
		if m {
			kl += float64(b.KL[row][t])
		}
	}
	return kl
}

// Samples are the first n responses of a batch that has gone through Shape.
func (b *Batch) Samples(n int) []Sample {
	var out []Sample
	for i := range min(n, len(b.Prompts)) {
		s := Sample{Prompt: b.Prompts[i], Response: b.Responses[i], Tokens: b.Length(i), EOS: b.EOS[i],
			Score: float64(b.Score[i]), KL: b.RowKL(i), Step: b.Step}
		if len(b.Gold) > 0 {
			s.Gold = &b.Gold[i]
		}
		out = append(out, s)
	}
	return out
}
