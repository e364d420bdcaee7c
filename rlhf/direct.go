package rlhf

// Direct configures training of a policy on comparisons themselves, with no preference
// model between, by a loss that the engine's owner wrote: DPO (Rafailov et al. 2023) is
// one, IPO and SLiC are others. The run is a language model, and is used as one.
type Direct struct {
	Size Size `json:"size"`
	// Loss names the loss, see direct.Loss. The library has none of its own.
	Loss string `json:"loss"`
	// LM names the language-model run that is both the initial policy and the reference π₀.
	LM string `json:"lm"`
	// Data names the comparisons, Rows bounds them and HeldOut is the fraction of prompts
	// kept from training, as in PM: a run with the same of all three and the same Seed
	// learns from the comparisons that a PM learns from. Data "": the LM's.
	Data    string  `json:"data"`
	Rows    int     `json:"rows"`
	HeldOut float64 `json:"held_out"`
	// Context bounds prompt and response, in tokens; longer prompts lose their oldest
	// turns. 0: what the LM was trained on.
	Context int `json:"context"`
	// Beta is what most such losses have: the price of leaving π₀ (Rafailov et al.: 0.1).
	// What else a loss needs is a constant in it.
	Beta float64 `json:"beta"`
	// Batch is the number of pairs in a step, Planned that of the steps. 0: one pass over
	// the comparisons.
	Batch   int `json:"batch"`
	Planned int `json:"planned"`
	// LearningRate is AdamW's; it rises over Warmup steps and falls linearly to a
	// hundredth, as in PM.
	LearningRate float64 `json:"learning_rate"`
	Warmup       int     `json:"warmup"`
	ClipNorm     float64 `json:"clip_norm"`
	Seed         uint64  `json:"seed"`
}

// Filled returns the configuration with every field that zero leaves to Size set. Data,
// Context and Planned may stay zero: the LM's run and the number of comparisons decide
// them when the run is created.
func (c Direct) Filled() Direct {
	fill(&c.Size, c.Size, same(Default))
	pm := PM{Size: c.Size, Data: c.Data, Rows: c.Rows, HeldOut: c.HeldOut}.Filled()
	c.Rows, c.HeldOut = pm.Rows, pm.HeldOut
	fill(&c.Beta, c.Size, same(0.1))
	fill(&c.Batch, c.Size, [3]int{16, 32, 32})
	if Synthetic(c.Data) {
		fill(&c.LearningRate, c.Size, [3]float64{1e-3, 5e-4, 1e-4})
	}
	fill(&c.LearningRate, c.Size, [3]float64{1e-4, 5e-5, 1e-5})
	fill(&c.Warmup, c.Size, [3]int{2, 10, 50})
	fill(&c.ClipNorm, c.Size, same(1.0))
	return c
}

// Validate reports every field out of range. Call it on a filled configuration.
func (c Direct) Validate() error {
	f := faults{stage: "direct"}
	f.size(c.Size)
	f.want(c.Loss != "", "Loss", `""`, "the name of a loss that the engine knows")
	f.want(c.LM != "", "LM", `""`, "the name of a language-model run")
	f.want(c.Rows >= 0, "Rows", c.Rows, ">= 0")
	f.want(c.HeldOut >= 0 && c.HeldOut < 1, "HeldOut", c.HeldOut, "in [0, 1)")
	f.want(c.Context == 0 || c.Context >= 8, "Context", c.Context, ">= 8, or 0 for the LM's")
	f.want(c.Beta > 0, "Beta", c.Beta, "> 0")
	f.want(c.Batch > 0, "Batch", c.Batch, "> 0")
	f.want(c.Planned >= 0, "Planned", c.Planned, ">= 0")
	f.want(c.LearningRate > 0, "LearningRate", c.LearningRate, "> 0")
	f.want(c.Warmup >= 0, "Warmup", c.Warmup, ">= 0")
	f.want(c.ClipNorm > 0, "ClipNorm", c.ClipNorm, "> 0")
	return f.err()
}
