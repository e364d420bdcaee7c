package rlhf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Size is the one dial of a notebook. It decides what every configuration
// field left at zero becomes.
type Size string

// The sizes. Minutes are for the tour on two CPU cores.
const (
	Tiny    Size = "tiny"    // tests: a pulse, under a minute
	Default Size = "default" // a reader on a laptop: learns visibly in minutes
	Large   Size = "large"   // a GPU, or a night
)

// Sizes lists the sizes from small to large.
func Sizes() []Size { return []Size{Tiny, Default, Large} }

// index is the size's place in the [3]T tables below; an unknown size is
// reported by Validate and counts as Default until then.
func (s Size) index() int {
	if i := slices.Index(Sizes(), s); i >= 0 {
		return i
	}
	return 1
}

// LM configures a language model trained from scratch on the transcripts of
// Data. Fields at zero take the value of Size.
type LM struct {
	// Size fills the fields left at zero: "tiny", "default" (also ""), "large".
	Size Size `json:"size"`
	// From names the model to start from, whose shape and tokenizer the run takes: a
	// language-model run, "smollm2", "hub:owner/name", or the path of a Hugging Face
	// folder, a .gguf or a llama2.c .bin file. "": fresh weights.
	From string `json:"from,omitempty"`
	// Rung names a size of the ladder, "0.2M" to "52B" (see package lm), and
	// decides Layers, Width and Heads where they are zero.
	Rung string `json:"rung,omitempty"`
	// Data names the transcripts: "synth" (the synthetic world) or "synth-small" (a
	// district of it), "hh-rlhf" (the released comparisons; their chosen transcripts), or
	// the path of a folder or .jsonl(.gz) file of comparisons, or of a .txt or
	// .jsonl file of text, which is streamed. "" is "synth". "synth-pages" and
	// "synth-small-pages" are documents of several dialogues by one author each.
	Data string `json:"data"`
	// Mix lists further corpora with their shares of the rows; Data has the rest.
	Mix []Share `json:"mix,omitempty"`
	// Rows bounds how many transcripts are used. 0: synth draws as the size
	// says, files are read whole.
	Rows int `json:"rows"`
	// HeldOut is the fraction of prompts (files) or transcripts (synth) kept for
	// evaluation. 0: 0.1 on files, 0.02 on synth.
	HeldOut float64 `json:"held_out"`
	// Vocab is the number of entries of the byte-level BPE trained on Data, its
	// 256 bytes and 3 special tokens included.
	Vocab int `json:"vocab"`
	// Layers, Width and Heads shape the pre-LN decoder; the feed-forward width
	// is 4 × Width. Paper: Width = 128 × Layers (Askell et al. 2021, app. A).
	Layers int `json:"layers"`
	Width  int `json:"width"`
	Heads  int `json:"heads"`
	// Context is the number of tokens a sequence may have.
	Context int `json:"context"`
	// Batch is the number of packed rows of Context tokens in a step.
	Batch int `json:"batch"`
	// Planned is the number of optimiser steps; the learning rate decays over it.
	// Untrained, with From, is the model as it is.
	Planned int `json:"planned"`
	// Accumulate splits the batch into as many parts, whose gradients are added
	// up before the one update. 0: 1.
	Accumulate int `json:"accumulate,omitempty"`
	// Checkpointing keeps only each block's input for the backward pass and
	// computes the rest again: less memory, more time, the same numbers.
	Checkpointing bool `json:"checkpointing,omitempty"`
	// Precision is "float32" (also "") or "bfloat16" for the products of the
	// forward and backward pass; weights and optimiser stay float32.
	Precision string `json:"precision,omitempty"`
	// LearningRate is the peak of AdamW's rate: linear warm-up over Warmup
	// steps, then cosine decay to a tenth.
	LearningRate float64 `json:"learning_rate"`
	Warmup       int     `json:"warmup"`
	// WeightDecay is decoupled and spares biases, norms and embeddings. 0: none.
	WeightDecay float64 `json:"weight_decay"`
	// ClipNorm bounds the global gradient norm. 0: 1.
	ClipNorm float64 `json:"clip_norm"`
	// Seed determines everything drawn at random.
	Seed uint64 `json:"seed"`
}

// Untrained, as LM.Planned, asks for the model that From names as it is.
const Untrained = -1

// A Share is a corpus and its share of the rows of every batch, in (0, 1).
type Share struct {
	Data   string  `json:"data"`
	Weight float64 `json:"weight"`
}

// The names of the synthetic worlds, as Data fields take them: the whole world
// and a small district of it, learnt in a minute. With PagesOf behind the name,
// as in "synth-small-pages", a language model reads documents of several
// dialogues whose answers share an author, so that what it has read tells it who
// is writing; with ForumOf, as in "synth-forum", a preference model reads ranked
// answers of a forum. A seed may follow a colon, as in "synth:7"; without one it is 0.
const (
	Synth      = "synth"
	SynthSmall = "synth-small"
	PagesOf    = "-pages"
	ForumOf    = "-forum"
)

// Synthetic reports whether data names a synthetic world rather than files.
func Synthetic(data string) bool {
	kind := World(data)
	return kind == Synth || kind == SynthSmall
}

// World returns the name of the synthetic world in data, without seed, PagesOf and
// ForumOf, or the part before the colon where there is none.
func World(data string) string {
	kind, _, _ := strings.Cut(data, ":")
	return strings.TrimSuffix(strings.TrimSuffix(kind, PagesOf), ForumOf)
}

// Forum reports whether data names ranked answers of a synthetic forum.
func Forum(data string) bool {
	kind, _, _ := strings.Cut(data, ":")
	return Synthetic(data) && strings.HasSuffix(kind, ForumOf)
}

// Pages reports whether data names documents of several dialogues.
func Pages(data string) bool {
	kind, _, _ := strings.Cut(data, ":")
	return Synthetic(data) && strings.HasSuffix(kind, PagesOf)
}

// fill sets *p to the size's entry if it is zero.
func fill[T comparable](p *T, s Size, byHand [3]T) {
	var zero T
	if *p == zero {
		*p = byHand[s.index()]
	}
}

func same[T any](v T) [3]T { return [3]T{v, v, v} }

// Filled returns the configuration with every field that zero leaves to Size set.
func (c LM) Filled() LM {
	fill(&c.Size, c.Size, same(Default))
	fill(&c.Data, c.Size, same(Synth))
	if c.From != "" {
		return c.filledFrom()
	}
	if Synthetic(c.Data) {
		if Pages(c.Data) {
			// Prompting works once the model has seen what an author does on a page.
			fill(&c.Rows, c.Size, [3]int{2000, 48000, 400000})
			fill(&c.Context, c.Size, [3]int{160, 160, 256})
			fill(&c.Planned, c.Size, [3]int{40, 1600, 10000})
		}
		fill(&c.Rows, c.Size, [3]int{2000, 12000, 100000})
		fill(&c.Vocab, c.Size, [3]int{512, 768, 2048})
		fill(&c.Context, c.Size, [3]int{64, 64, 256})
		fill(&c.HeldOut, c.Size, same(0.02))
	}
	if World(c.Data) == SynthSmall {
		// Many steps of a small model learn this little world faster than few of a large one.
		fill(&c.Layers, c.Size, [3]int{2, 2, 4})
		fill(&c.Width, c.Size, [3]int{64, 64, 256})
		fill(&c.Planned, c.Size, [3]int{80, 1300, 10000})
		fill(&c.LearningRate, c.Size, [3]float64{5e-3, 5e-3, 1e-3})
	}
	fill(&c.HeldOut, c.Size, same(0.1))
	fill(&c.Vocab, c.Size, [3]int{512, 2048, 8192})
	fill(&c.Context, c.Size, [3]int{128, 256, 1024})
	fill(&c.Layers, c.Size, [3]int{2, 4, 8})
	fill(&c.Width, c.Size, [3]int{64, 128, 512})
	fill(&c.Heads, c.Size, [3]int{2, 4, 8})
	fill(&c.Batch, c.Size, [3]int{8, 16, 32})
	fill(&c.Planned, c.Size, [3]int{60, 400, 10000})
	fill(&c.LearningRate, c.Size, [3]float64{3e-3, 3e-3, 6e-4})
	fill(&c.Warmup, c.Size, [3]int{10, 40, 200})
	fill(&c.ClipNorm, c.Size, same(1.0))
	return c
}

// filledFrom fills the fields that the model of From does not decide: Vocab,
// Layers, Width, Heads and Context stay as they are.
func (c LM) filledFrom() LM {
	if c.Planned != Untrained {
		if Synthetic(c.Data) {
			fill(&c.Rows, c.Size, [3]int{2000, 12000, 100000})
			fill(&c.HeldOut, c.Size, same(0.02))
		}
		fill(&c.Planned, c.Size, [3]int{20, 200, 2000})
	}
	fill(&c.HeldOut, c.Size, same(0.1))
	fill(&c.Batch, c.Size, [3]int{4, 8, 32})
	fill(&c.LearningRate, c.Size, [3]float64{1e-3, 1e-4, 3e-5})
	fill(&c.Warmup, c.Size, [3]int{5, 20, 100})
	fill(&c.ClipNorm, c.Size, same(1.0))
	return c
}

// A fault collects what is wrong with a configuration, all at once.
type faults struct {
	stage string
	errs  []error
}

func (f *faults) want(ok bool, field string, value any, bound string) {
	if !ok {
		f.errs = append(f.errs, fmt.Errorf("%s: %s = %v, want %s", f.stage, field, value, bound))
	}
}

func (f *faults) err() error { return errors.Join(f.errs...) }

func (f *faults) size(s Size) {
	names := make([]string, len(Sizes()))
	for i, s := range Sizes() {
		names[i] = string(s)
	}
	f.want(s == "" || slices.Contains(Sizes(), s), "Size", fmt.Sprintf("%q", s), "one of "+strings.Join(names, ", "))
}

func (f *faults) oneOf(value, field string, choices ...string) {
	f.want(slices.Contains(choices, value), field, fmt.Sprintf("%q", value), "one of "+strings.Join(choices, ", "))
}

// shares checks named shares and returns their sum.
func (f *faults) shares(field string, list []Share) (sum float64) {
	for i, s := range list {
		f.want(s.Data != "", fmt.Sprintf("%s[%d].Data", field, i), `""`, "a name")
		f.want(s.Weight > 0, fmt.Sprintf("%s[%d].Weight", field, i), s.Weight, "> 0")
		sum += s.Weight
	}
	return sum
}

// Validate reports every field out of range. Call it on a filled configuration.
func (c LM) Validate() error {
	f := faults{stage: "lm"}
	f.size(c.Size)
	f.want(c.Data != "", "Data", `""`, `"synth", "synth-small", "hh-rlhf" or a path`)
	f.want(!Forum(c.Data), "Data", c.Data, "transcripts or text: a forum's ranked answers are for preference models")
	f.want(c.Rows >= 0, "Rows", c.Rows, ">= 0")
	f.want(c.HeldOut > 0 && c.HeldOut < 1, "HeldOut", c.HeldOut, "in (0, 1)")
	if c.From == "" {
		f.want(c.Vocab >= 260, "Vocab", c.Vocab, ">= 260 (256 bytes, 3 special tokens, one merge)")
		f.want(c.Layers > 0, "Layers", c.Layers, "> 0")
		f.want(c.Width > 0, "Width", c.Width, "> 0")
		f.want(c.Heads > 0 && c.Width%max(c.Heads, 1) == 0, "Heads", c.Heads, fmt.Sprintf("a divisor of Width (%d)", c.Width))
		f.want(c.Context >= 8, "Context", c.Context, ">= 8")
		f.want(c.Planned > 0, "Planned", c.Planned, "> 0")
	} else {
		const decided = "0, because the model of From decides it"
		f.want(c.Vocab == 0, "Vocab", c.Vocab, decided)
		f.want(c.Layers == 0, "Layers", c.Layers, decided)
		f.want(c.Width == 0, "Width", c.Width, decided)
		f.want(c.Heads == 0, "Heads", c.Heads, decided)
		f.want(c.Rung == "", "Rung", c.Rung, `"", because the model of From decides the size`)
		f.want(c.Context == 0 || c.Context >= 8, "Context", c.Context, ">= 8, or 0 for the model's, at most 256")
		f.want(c.Planned > 0 || c.Planned == Untrained, "Planned", c.Planned, "> 0, or Untrained")
	}
	sum := f.shares("Mix", c.Mix)
	f.want(sum < 1, "the sum of Mix's weights", sum, "< 1: Data has the rest")
	f.want(c.Batch > 0, "Batch", c.Batch, "> 0")
	f.want(c.Accumulate >= 0 && c.Batch%max(c.Accumulate, 1) == 0, "Accumulate", c.Accumulate, fmt.Sprintf("a divisor of Batch (%d)", c.Batch))
	f.want(c.Precision == "" || c.Precision == "float32" || c.Precision == "bfloat16", "Precision", c.Precision, `"float32" or "bfloat16"`)
	f.want(c.LearningRate > 0, "LearningRate", c.LearningRate, "> 0")
	f.want(c.Warmup >= 0, "Warmup", c.Warmup, ">= 0")
	f.want(c.WeightDecay >= 0, "WeightDecay", c.WeightDecay, ">= 0")
	f.want(c.ClipNorm > 0, "ClipNorm", c.ClipNorm, "> 0")
	return f.err()
}
