package rlhf

// Distill configures context distillation (paper, appendix A.1; Askell et al.
// 2021, section 2.1): the student learns to answer without the prompt as the
// teacher answers with it.
type Distill struct {
	Size Size `json:"size"`
	// Teacher names the language-model run that reads the prompt. The paper's is
	// the largest model for students of every size.
	Teacher string `json:"teacher"`
	// Student names the run whose weights the student starts from. "": Teacher.
	Student string `json:"student"`
	// Prompt is the context C. "": the good dialogues that the synthetic world
	// writes for its own data, and the text of distill.HHH for everything else.
	Prompt string `json:"prompt"`
	// Data names the dialogues of one half of the rows and Text the plain text of
	// the other (paper: Stack Exchange and pretraining data), as LM.Data does.
	// "": the teacher's data.
	Data string `json:"data"`
	Text string `json:"text"`
	// Rows bounds the sequences; HeldOut is the fraction kept for evaluation.
	Rows    int     `json:"rows"`
	HeldOut float64 `json:"held_out"`
	// Top is the number of the teacher's tokens that are kept at a position; all
	// others are one more category (paper: 50 and a 51st).
	Top int `json:"top"`
	// Context bounds the tokens of a sequence, the prompt not counted. 0: what
	// the teacher's context leaves beside the prompt.
	Context int `json:"context"`
	// Batch is the number of sequences in a step (paper: 32).
	Batch int `json:"batch"`
	// Planned is the number of steps. 0: one pass over the sequences.
	Planned int `json:"planned"`
	// LearningRate decays linearly to zero. 0: from 0.05 of the rate at which the
	// teacher was trained, as in the paper (at the tiny size 0.2: it has few steps).
	LearningRate float64 `json:"learning_rate"`
	ClipNorm     float64 `json:"clip_norm"`
	Seed         uint64  `json:"seed"`
}

// Filled returns the configuration with every field that zero leaves to Size
// set. Student, Data, Text, LearningRate, Context and Planned may stay zero: the
// teacher's run and the number of sequences decide them when the run is created.
func (c Distill) Filled() Distill {
	fill(&c.Size, c.Size, same(Default))
	fill(&c.Rows, c.Size, [3]int{320, 4800, 40000})
	fill(&c.HeldOut, c.Size, same(0.1))
	fill(&c.Top, c.Size, same(50))
	fill(&c.Batch, c.Size, [3]int{16, 32, 32})
	fill(&c.ClipNorm, c.Size, same(1.0))
	return c
}

// Validate reports every field out of range. Call it on a filled configuration.
func (c Distill) Validate() error {
	f := faults{stage: "distill"}
	f.size(c.Size)
	f.want(c.Teacher != "", "Teacher", `""`, "the name of a language-model run")
	f.want(c.Rows > 0, "Rows", c.Rows, "> 0")
	f.want(c.HeldOut > 0 && c.HeldOut < 1, "HeldOut", c.HeldOut, "in (0, 1)")
	f.want(c.Top > 0, "Top", c.Top, "> 0")
	f.want(c.Context == 0 || c.Context >= 8, "Context", c.Context, ">= 8, or 0 for what the teacher's leaves")
	f.want(c.Batch > 0, "Batch", c.Batch, "> 0")
	f.want(c.Planned >= 0, "Planned", c.Planned, ">= 0")
	f.want(c.LearningRate >= 0, "LearningRate", c.LearningRate, "> 0, or 0 for a share of the teacher's")
	f.want(c.ClipNorm > 0, "ClipNorm", c.ClipNorm, "> 0")
	return f.err()
}
