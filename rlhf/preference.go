package rlhf

import (
	"fmt"
	"math"
)

// PM configures a preference model: a language model's trunk, a scalar head read
// at the end-of-context token, and the loss
//
//	PMCoef · mean log(1 + e^(r_rejected − r_chosen)) + LMCoef · (next-token loss of the chosen side)
//
// (Askell et al. 2021, eq. 3.1 and C.1). Pretraining on ranked answers from the
// web (PMP) is this with LMCoef = 1 and Data a Stack Exchange dump; finetuning
// then names the pretrained run as its LM.
type PM struct {
	Size Size `json:"size"`
	// LM names what the trunk is taken from, tokenizer included: a language-model run,
	// a preference-model run (whose head is kept too: finetuning after PMP),
	// "smollm2", "hub:owner/name" or the path of a checkpoint, as LM.From does.
	LM string `json:"lm"`
	// Layers is how many of the trunk's blocks are used, the first ones. 0: all.
	Layers int `json:"layers,omitempty"`
	// Frozen trains the head alone, on activations of the trunk that are computed
	// once and kept on disk.
	Frozen bool `json:"frozen,omitempty"`
	// Readout is what the head reads: "end" (also ""), the activation at the
	// end-of-context token, or "end+mean", that and the mean over the response.
	Readout string `json:"readout,omitempty"`
	// Data names the comparisons, as LM.Data does; also a Stack Exchange dump (a
	// Posts.xml or .xml.gz, or a folder of them) or "synth-forum", whose ranked
	// answers are binarised. "": the data of the LM.
	Data string `json:"data"`
	// Mix fixes the tranches' shares of the Rows comparisons; they must add up to
	// 1. None: as Data has them.
	Mix []Share `json:"mix,omitempty"`
	// Weights multiplies the loss on comparisons of a tranche (section 5.1.2). A
	// tranche that is not named has weight 1.
	Weights []Share `json:"weights,omitempty"`
	// Rows bounds how many comparisons are used, the held-out ones included.
	// 0: synth draws as the size says, files are read whole.
	Rows int `json:"rows"`
	// HeldOut is the fraction of prompts kept for evaluation. 0: 0.1 on files
	// (paper, section 2.3: 0.05 of 25 times as many; 0.35 for calibration, 0.5 for
	// robustness), 0.2 on synth.
	HeldOut float64 `json:"held_out"`
	// Split decides which prompts are held out; runs of one Split and HeldOut hold
	// out the same. Swap trains on those and evaluates on the rest: the other
	// half of a robustness pair.
	Split uint64 `json:"split,omitempty"`
	Swap  bool   `json:"swap,omitempty"`
	// Batch is the number of pairs in a step (Askell et al. 2021, C.2: 32).
	Batch int `json:"batch"`
	// Context bounds prompt + response + 1 tokens; longer prompts lose their
	// oldest turns, and a pair that becomes identical by it is dropped and counted.
	Context int `json:"context"`
	// Planned is the number of steps. 0: one epoch over the training pairs, as
	// in the paper (app. A.2); Frozen: thirty.
	Planned int `json:"planned"`
	// PMCoef and LMCoef are λ and μ. PMCoef 0: 1. LMCoef 0: no language-model loss.
	PMCoef float64 `json:"pm_coef,omitempty"`
	LMCoef float64 `json:"lm_coef,omitempty"`
	// LearningRate is AdamW's, after Warmup steps. Schedule is "linear" (also ""),
	// decay to a hundredth, or "constant", as the paper has it at 0.01 × a rate of
	// pretraining that it does not state.
	LearningRate float64 `json:"learning_rate"`
	Schedule     string  `json:"schedule,omitempty"`
	Warmup       int     `json:"warmup"`
	// WeightDecay is decoupled and spares biases, norms and embeddings; Frozen: it is
	// the ridge penalty WeightDecay/2·|w|² on the head for standardised activations.
	// 0: none.
	WeightDecay float64 `json:"weight_decay,omitempty"`
	ClipNorm    float64 `json:"clip_norm"`
	// Centre takes the mean score of the training pairs off the head's bias after the last
	// planned step, so that scores of several preference models have one zero (B.2).
	Centre bool `json:"centre,omitempty"`
	// Accumulate, Checkpointing and Precision are as in LM.
	Accumulate    int    `json:"accumulate,omitempty"`
	Checkpointing bool   `json:"checkpointing,omitempty"`
	Precision     string `json:"precision,omitempty"`
	Seed          uint64 `json:"seed"`
}

// Filled returns the configuration with every field that zero leaves to Size
// set. Data, Context and Planned may stay zero: the LM run and the number of
// pairs decide them when the run is created.
func (c PM) Filled() PM {
	fill(&c.Size, c.Size, same(Default))
	if Synthetic(c.Data) {
		fill(&c.Rows, c.Size, [3]int{600, 24000, 100000})
		fill(&c.HeldOut, c.Size, same(0.2))
	}
	if c.Data != "" {
		fill(&c.HeldOut, c.Size, same(0.1))
	}
	fill(&c.Batch, c.Size, [3]int{16, 32, 32})
	fill(&c.Readout, c.Size, same("end"))
	fill(&c.Schedule, c.Size, same("linear"))
	fill(&c.Precision, c.Size, same("float32"))
	if c.Frozen { // a small convex problem: standardised activations, one layer
		fill(&c.LearningRate, c.Size, same(1e-3))
	}
	if Synthetic(c.Data) {
		fill(&c.LearningRate, c.Size, [3]float64{3e-3, 3e-3, 5e-4})
	}
	fill(&c.LearningRate, c.Size, [3]float64{1e-3, 5e-4, 1e-4})
	fill(&c.Warmup, c.Size, [3]int{2, 10, 50})
	fill(&c.ClipNorm, c.Size, same(1.0))
	fill(&c.PMCoef, c.Size, same(1.0))
	fill(&c.Accumulate, c.Size, same(1))
	return c
}

// Validate reports every field out of range. Call it on a filled configuration.
func (c PM) Validate() error {
	f := faults{stage: "pm"}
	f.size(c.Size)
	f.want(c.LM != "", "LM", `""`, "the name of a language model or of a preference-model run")
	f.want(c.Layers >= 0, "Layers", c.Layers, ">= 0")
	f.oneOf(c.Readout, "Readout", "end", "end+mean")
	f.oneOf(c.Schedule, "Schedule", "linear", "constant")
	f.oneOf(c.Precision, "Precision", "float32", "bfloat16")
	f.want(c.Rows >= 0, "Rows", c.Rows, ">= 0")
	f.want(c.HeldOut >= 0 && c.HeldOut < 1, "HeldOut", c.HeldOut, "in [0, 1)")
	f.want(c.Batch > 0, "Batch", c.Batch, "> 0")
	f.want(c.Context == 0 || c.Context >= 8, "Context", c.Context, ">= 8, or 0 for the LM's")
	f.want(c.Planned >= 0, "Planned", c.Planned, ">= 0")
	f.want(c.PMCoef >= 0, "PMCoef", c.PMCoef, ">= 0")
	f.want(c.LMCoef >= 0, "LMCoef", c.LMCoef, ">= 0")
	f.want(!c.Frozen || c.LMCoef == 0, "LMCoef", c.LMCoef, "0 with Frozen: the language-model loss trains the trunk")
	f.want(c.LearningRate > 0, "LearningRate", c.LearningRate, "> 0")
	f.want(c.Warmup >= 0, "Warmup", c.Warmup, ">= 0")
	f.want(c.WeightDecay >= 0, "WeightDecay", c.WeightDecay, ">= 0")
	f.want(c.ClipNorm > 0, "ClipNorm", c.ClipNorm, "> 0")
	f.want(c.Accumulate > 0 && c.Batch%max(c.Accumulate, 1) == 0, "Accumulate", c.Accumulate, fmt.Sprintf("a divisor of Batch (%d)", c.Batch))
	sum := f.shares("Mix", c.Mix)
	f.want(len(c.Mix) == 0 || math.Abs(sum-1) < 1e-6, "the sum of Mix's shares", sum, "1")
	f.want(len(c.Mix) == 0 || !Forum(c.Data), "Mix", c.Mix, "none: a forum has no tranches")
	f.shares("Weights", c.Weights)
	return f.err()
}
