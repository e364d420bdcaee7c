package rlhf

import (
	"fmt"
	"strconv"
)

// PPO configures reinforcement learning against a preference model (paper,
// section 4.1 and appendix B.1). What the paper does not state is taken from
// Stiennon et al. 2020, B.1, and said at the field.
type PPO struct {
	Size Size `json:"size"`
	// Policy names the language-model run that is both the initial policy and
	// the reference π₀.
	Policy string `json:"policy"`
	// PM names the preference model whose score is the reward. It may have another
	// shape than the policy, but not another tokenizer. "": there is none, and the reward
	// comes from elsewhere, see StepsWith; Steps and Train then refuse.
	PM string `json:"pm"`
	// TestPM names a preference model that scores every batch for the eye alone, as
	// objective/score_test: one trained on other comparisons shows over-optimisation
	// (section 4.2). "": none.
	TestPM string `json:"test_pm,omitempty"`
	// Data names where prompts come from, as LM.Data does. "": the PM's data.
	Data string `json:"data"`
	// Rows bounds how many comparisons are read for their prompts. 0: no bound.
	Rows int `json:"rows"`
	// HarmfulFraction is the share of harmful requests among synthetic prompts.
	// 0: 0.3 ("a larger fraction of helpfulness prompts", section 4.4). Negative: none.
	HarmfulFraction float64 `json:"harmful_fraction"`
	// Prompt and Response are P and R: tokens per prompt (a longer prompt loses
	// its oldest turns, or is skipped and counted) and per response (paper: 128).
	Prompt   int `json:"prompt"`
	Response int `json:"response"`
	// Batch is B, the responses per step; Minibatches must divide it. Accumulate splits
	// a minibatch into as many parts whose gradients are added up before its update:
	// less memory, the same numbers. 0: 1.
	Batch       int `json:"batch"`
	Minibatches int `json:"minibatches"`
	Accumulate  int `json:"accumulate,omitempty"`
	// Epochs is K, the passes over a batch (B.1: 1, 2 or 4).
	Epochs int `json:"epochs"`
	// Planned is the number of steps.
	Planned int `json:"planned"`
	// Algorithm names what an engine of one's own puts in the place of PPO's advantages,
	// of its policy loss, or of both (see ppo.Algorithm). "": PPO.
	Algorithm string `json:"algorithm,omitempty"`
	// PerPrompt is how many responses of a batch answer one prompt, for algorithms that
	// compare them; it must divide Batch, and they stand in adjacent rows. 0: 1 ("exactly
	// one response per prompt", section 4.1).
	PerPrompt int `json:"per_prompt,omitempty"`

	// KLCoef is λ_KL (eq. 4.1). Paper: 0.001. 0 means no penalty. With KLTarget it is
	// where the coefficient starts.
	KLCoef float64 `json:"kl_coef"`
	// KL says where the penalty is paid: "token" (also ""), in the reward of every
	// token, r_t = −KLCoef·k_t + [t is last]·score; "response", all of it at the last
	// token, the literal reading of "each response is a timestep"; "loss", as
	// KLCoef·½(Σ_t k_t)² a response, k2, in the policy's loss and not in the reward. k1 in
	// the reward and k2 of a response in the loss have the gradient of D_KL(π‖π₀); k3 has in
	// neither place. Whitening scales the advantages and not this loss, so that the
	// coefficient then means another trade; NoWhiten keeps it.
	KL string `json:"kl,omitempty"`
	// KLTarget makes the coefficient adaptive: it moves so that the divergence
	// approaches KLTarget nats per response (a sum over tokens; Ziegler et al. 2019: 6),
	// over KLHorizon responses (0: 10,000). 0: fixed, as in the paper.
	KLTarget  float64 `json:"kl_target,omitempty"`
	KLHorizon float64 `json:"kl_horizon,omitempty"`

	// NormScore standardises the PM's scores, before anything is added to them, by their
	// mean and deviation over responses of π₀ (Ziegler et al. 2019, section 2.1). The
	// paper takes them raw.
	NormScore bool `json:"norm_score,omitempty"`
	// MissingEOSPenalty is subtracted from the score of a response that was cut
	// at Response tokens; MissingEOSScore, unless it is 0, stands in place of such a
	// score (Stiennon et al., code: −1). Not stated. 0 means none.
	MissingEOSPenalty float64 `json:"missing_eos_penalty"`
	MissingEOSScore   float64 `json:"missing_eos_score,omitempty"`
	// LengthPenalty is subtracted from the score for each token. Not stated. 0: none.
	LengthPenalty float64 `json:"length_penalty,omitempty"`
	// WhitenReward gives the shaped rewards variance 1 over the valid tokens of the batch
	// and keeps their mean (Ziegler et al. 2019, code). Not stated.
	WhitenReward bool `json:"whiten_reward,omitempty"`

	// Value is "own" (also ""), a transformer of its own that starts from the PM's weights,
	// head included (Stiennon et al. 2020, section 3.4), or "shared", a head on the
	// policy's trunk that starts at zero (Ziegler et al. 2019), or "none" with an Algorithm
	// that needs none. Not stated.
	Value string `json:"value,omitempty"`
	// ValueCoef weighs the value loss of a shared trunk. 0: 0.1 (ibid., code).
	ValueCoef float64 `json:"value_coef,omitempty"`
	// ClipRange is ε of the policy's clip. 0: 0.2 (B.1).
	ClipRange float64 `json:"clip_range"`
	// ValueClip bounds the change of a value from its rollout value. 0: 0.2
	// (not stated; Stiennon et al.). Negative: no clipping.
	ValueClip float64 `json:"value_clip"`
	// Gamma is the discount. 0: 1 (B.1). Lambda is GAE's λ. 0: 0.95 (not
	// stated; Stiennon et al.).
	Gamma  float64 `json:"gamma"`
	Lambda float64 `json:"lambda"`
	// EntropyCoef pays for entropy, per nat and token. Paper: none (B.1).
	EntropyCoef float64 `json:"entropy_coef,omitempty"`
	// Temperature divides the logits, in sampling and in every log-probability.
	// 0: 1, the only value consistent with footnote 12.
	Temperature float64 `json:"temperature"`
	// NoWhiten keeps advantages as they are; by default they get mean 0 and
	// variance 1 over the valid tokens of the batch (not stated).
	NoWhiten bool `json:"no_whiten"`
	// CriticWarmup is the number of first steps in which only the value
	// function learns. 0 means none.
	CriticWarmup int `json:"critic_warmup"`

	// LearningRate is the policy's, ValueLearningRate the value function's; both
	// rise linearly over the first Warmup steps (B.1: over 25,000 samples in the
	// robustness runs), because Adam's first steps are its largest.
	LearningRate      float64 `json:"learning_rate"`
	ValueLearningRate float64 `json:"value_learning_rate"`
	Warmup            int     `json:"warmup"`
	// Schedule is what comes after: "linear" (also ""), decay to a tenth at the last
	// planned step (Stiennon et al.: linear), "constant", or "halving", by half every
	// HalveEvery samples (0: 100,000; B.1, the online runs).
	Schedule   string  `json:"schedule,omitempty"`
	HalveEvery int     `json:"halve_every,omitempty"`
	ClipNorm   float64 `json:"clip_norm"`
	// Checkpointing keeps only each block's input for the backward pass and
	// computes the rest again: less memory, more time, the same numbers.
	Checkpointing bool   `json:"checkpointing,omitempty"`
	Seed          uint64 `json:"seed"`

	// Plant makes a classical mistake on purpose, for teaching, and switches off the
	// invariant that would refuse it; Plants lists them. "": none.
	Plant string `json:"plant,omitempty"`
}

// The mistakes that PPO.Plant makes.
const (
	PlantTopK        = "top-k"       // rollouts draw from the 3 likeliest tokens, log-probabilities are of all
	PlantTemperature = "temperature" // rollouts are drawn at 0.7 · Temperature, log-probabilities are at Temperature
	PlantPadIsEOS    = "pad-eos"     // the end token is masked like padding, so that ending is never learnt
	PlantWrongSign   = "wrong-sign"  // the KL penalty pays for divergence
	PlantCriticOff   = "critic-off"  // the value function never learns
)

// Plants lists what PPO.Plant may be.
func Plants() []string {
	return []string{PlantTopK, PlantTemperature, PlantPadIsEOS, PlantWrongSign, PlantCriticOff}
}

// Filled returns the configuration with every field that zero leaves to Size
// set. Data may stay zero: the PM run decides it when the run is created.
func (c PPO) Filled() PPO {
	fill(&c.Size, c.Size, same(Default))
	fill(&c.HarmfulFraction, c.Size, same(0.3))
	if Synthetic(c.Data) {
		fill(&c.Batch, c.Size, [3]int{16, 64, 128})
		fill(&c.Planned, c.Size, [3]int{12, 220, 1000})
		fill(&c.LearningRate, c.Size, [3]float64{5e-4, 5e-4, 1e-4})
		fill(&c.Warmup, c.Size, [3]int{2, 10, 20})
	}
	fill(&c.Prompt, c.Size, [3]int{32, 32, 128})
	fill(&c.Response, c.Size, [3]int{24, 24, 128})
	fill(&c.Batch, c.Size, [3]int{16, 32, 128})
	fill(&c.Minibatches, c.Size, [3]int{2, 2, 4})
	fill(&c.Epochs, c.Size, [3]int{2, 2, 4})
	fill(&c.Planned, c.Size, [3]int{12, 120, 1000})
	fill(&c.ClipRange, c.Size, same(0.2))
	fill(&c.ValueClip, c.Size, same(0.2))
	fill(&c.Gamma, c.Size, same(1.0))
	fill(&c.Lambda, c.Size, same(0.95))
	fill(&c.Temperature, c.Size, same(1.0))
	fill(&c.LearningRate, c.Size, [3]float64{2e-4, 2e-4, 1e-5})
	fill(&c.Warmup, c.Size, [3]int{2, 10, 20})
	fill(&c.ValueLearningRate, c.Size, [3]float64{1e-3, 1e-3, 3e-5})
	fill(&c.ClipNorm, c.Size, same(1.0))
	if c.Value == "shared" {
		fill(&c.ValueCoef, c.Size, same(0.1))
	}
	if c.KLTarget != 0 {
		fill(&c.KLHorizon, c.Size, same(10000.0))
	}
	if c.Schedule == "halving" {
		fill(&c.HalveEvery, c.Size, same(100_000))
	}
	return c
}

// Validate reports every field out of range. Call it on a filled configuration.
func (c PPO) Validate() error {
	f := faults{stage: "ppo"}
	f.size(c.Size)
	f.want(c.Policy != "", "Policy", `""`, "the name of a language-model run")
	f.want(c.PM != "" || c.Data != "", "Data", `""`, "a name where prompts come from, because there is no PM whose data it could be")
	f.want(c.Rows >= 0, "Rows", c.Rows, ">= 0")
	f.want(c.HarmfulFraction <= 1, "HarmfulFraction", c.HarmfulFraction, "at most 1")
	f.want(c.Prompt >= 4, "Prompt", c.Prompt, ">= 4")
	f.want(c.Response >= 1, "Response", c.Response, ">= 1")
	f.want(c.Batch > 0, "Batch", c.Batch, "> 0")
	f.want(c.Minibatches > 0 && c.Batch%max(c.Minibatches, 1) == 0, "Minibatches", c.Minibatches,
		fmt.Sprintf("a divisor of Batch (%d)", c.Batch))
	part := c.Batch / max(c.Minibatches, 1)
	f.want(c.Accumulate >= 0 && part%max(c.Accumulate, 1) == 0, "Accumulate", c.Accumulate,
		fmt.Sprintf("a divisor of a minibatch's rows (%d)", part))
	f.want(c.PerPrompt >= 0 && c.Batch%max(c.PerPrompt, 1) == 0, "PerPrompt", c.PerPrompt,
		fmt.Sprintf("a divisor of Batch (%d)", c.Batch))
	f.want(c.Epochs > 0, "Epochs", c.Epochs, "> 0")
	f.want(c.Planned > 0, "Planned", c.Planned, "> 0")
	f.want(c.KLCoef >= 0, "KLCoef", c.KLCoef, ">= 0 (a negative one would pay for divergence)")
	f.oneOf(c.KL, "KL", "", "token", "response", "loss")
	f.want(c.KLTarget >= 0, "KLTarget", c.KLTarget, ">= 0 nats per response")
	f.want(c.KLTarget == 0 || c.KLCoef > 0, "KLCoef", c.KLCoef, "> 0 with KLTarget, because an adaptive coefficient grows by a factor")
	f.want(c.KLTarget == 0 || c.KLHorizon > 0, "KLHorizon", c.KLHorizon, "> 0 responses")
	f.want(!c.NormScore || c.PM != "", "NormScore", c.NormScore, "false without a PM whose scores it could standardise")
	f.want(c.LengthPenalty >= 0, "LengthPenalty", c.LengthPenalty, ">= 0 per token")
	f.want(c.MissingEOSScore == 0 || c.MissingEOSPenalty == 0, "MissingEOSScore", c.MissingEOSScore, "0 beside MissingEOSPenalty: one of the two")
	f.oneOf(c.Value, "Value", "", "own", "shared", "none")
	f.want(c.Value != "none" || c.Algorithm != "", "Value", strconv.Quote(c.Value), `"own" or "shared", because PPO's advantages need a value function; or name an Algorithm`)
	f.want(c.ValueCoef >= 0, "ValueCoef", c.ValueCoef, ">= 0")
	f.want(c.ValueCoef == 0 || c.Value == "shared", "ValueCoef", c.ValueCoef, `0 unless Value = "shared"; a value function of its own has ValueLearningRate`)
	f.want(c.CriticWarmup == 0 || c.Value != "none", "CriticWarmup", c.CriticWarmup, `0 with Value = "none"`)
	f.want(c.CriticWarmup == 0 || c.Value != "shared", "CriticWarmup", c.CriticWarmup, `0 with Value = "shared": the trunk that would have to stand still is the value function's too`)
	f.want(c.ClipRange > 0 && c.ClipRange < 1, "ClipRange", c.ClipRange, "in (0, 1)")
	f.want(c.Gamma > 0 && c.Gamma <= 1, "Gamma", c.Gamma, "in (0, 1]")
	f.want(c.Lambda > 0 && c.Lambda <= 1, "Lambda", c.Lambda, "in (0, 1]")
	f.want(c.EntropyCoef >= 0, "EntropyCoef", c.EntropyCoef, ">= 0")
	f.want(c.Temperature > 0, "Temperature", c.Temperature, "> 0")
	f.want(c.MissingEOSPenalty >= 0, "MissingEOSPenalty", c.MissingEOSPenalty, ">= 0")
	f.want(c.CriticWarmup >= 0, "CriticWarmup", c.CriticWarmup, ">= 0")
	f.want(c.Warmup >= 0, "Warmup", c.Warmup, ">= 0")
	f.oneOf(c.Schedule, "Schedule", "", "linear", "constant", "halving")
	f.want(c.HalveEvery >= 0, "HalveEvery", c.HalveEvery, ">= 0 samples")
	f.want(c.LearningRate > 0, "LearningRate", c.LearningRate, "> 0")
	f.want(c.ValueLearningRate > 0, "ValueLearningRate", c.ValueLearningRate, "> 0")
	f.want(c.ClipNorm > 0, "ClipNorm", c.ClipNorm, "> 0")
	f.oneOf(c.Plant, "Plant", append(Plants(), "")...)
	return f.err()
}
