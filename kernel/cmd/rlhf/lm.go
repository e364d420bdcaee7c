package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/host"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/pjrt"
)

func lmCommand() command { return lmCommands(terminal()) }

// lmCommands are the commands about language models.
func lmCommands(s shell) command {
	return command{
		name: "lm", short: "train, evaluate, sample, talk to and export language models",
		long: `
Language models from the shell: the runs that notebooks see, and pretrained
checkpoints. Results go to standard output, progress to standard error.

  rlhf lm train -name first -size tiny
  rlhf lm sample -model first -prompt 'Human: How are you?'
  rlhf setup -model smollm2
  rlhf lm chat -model smollm2`,
		subs: []command{trainCommand(s), evalCommand(s), sampleCommand(s), chatCommand(s), exportCommand(s)},
	}
}

// modelNames explains -model; every command that has it ends its help so.
const modelNames = `
A model is named by
  first              a run of rlhf lm train or of a notebook
  smollm2            SmolLM2-135M-Instruct; rlhf setup -model smollm2 fetches it
  hub:owner/name     a repository on the Hugging Face hub, kept after the first time
  path               a folder with config.json and safetensors, a .gguf, or a llama2.c .bin
` + setup.ModelsEnv + ` names a folder that is looked into for smollm2's file first.`

// A shell is what the commands about models work with: the terminal and the lab,
// or what a test puts in their places.
type shell struct {
	in       io.Reader
	out, err io.Writer // results and progress
	open     func(ctx context.Context, runs, name string) (languageModel, error)
	openPM   func(ctx context.Context, runs, name string) (preferenceModel, error)
	openPPO  func(ctx context.Context, runs, name string) (policyRun, error)
	lab      func(ctx context.Context, runs string) (*local.Lab, error)
}

// A languageModel is what the commands ask of *local.Model.
type languageModel interface {
	About() local.About
	Load() error
	Predict(passages iter.Seq2[local.Passage, error], window int) iter.Seq2[local.Prediction, error]
	PredictBytes(window int) int64
	Text(s string) []int32
	Layout(turns []rlhf.Turn, system string, room int) (ids []int32, kept []rlhf.Turn, err error)
	Continue(prompts [][]int32, g local.Generation, watch func(done, of int)) ([]local.Continuation, error)
	GenerateBytes(rows, prompt int, g local.Generation) int64
	Stream(ctx context.Context, prompt []int32, g local.Generation) iter.Seq2[string, error]
	Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error)
	Export(dir string) error
	Close()
}

// terminal is the shell of the process: standard input and output, the lab of the
// folders of this user.
func terminal() shell {
	lab := func(ctx context.Context, runs string) (*local.Lab, error) {
		d, err := homeDirs()
		if err != nil {
			return nil, err
		}
		if _, err := pjrt.Backend(ctx, os.Stderr); err != nil { // installs the plugin where it is missing
			return nil, err
		}
		if err := host.Ready(d); err != nil {
			return nil, err
		}
		return host.Open(ctx, d, host.Engine{Runs: runs})
	}
	return shell{in: os.Stdin, out: visible(os.Stdout), err: visible(os.Stderr), lab: lab, openPM: opensPM(lab), openPPO: opensPPO(lab),
		open: func(ctx context.Context, runs, name string) (languageModel, error) {
			l, err := lab(ctx, runs)
			if err != nil {
				return nil, err
			}
			return l.With(ctx).(*local.Lab).OpenModel(name)
		}}
}

// modelFlags are the flags of every command that asks a model.
type modelFlags struct {
	model, runs   string
	asJSON, force bool
}

func (f *modelFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.model, "model", "", "`name` of the model, see above (required)")
	bindRuns(fs, &f.runs)
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
	fs.BoolVar(&f.force, "force", false, "go on where the memory does not seem to suffice")
}

// bindSize is -size of the commands that train.
func bindSize(fs *flag.FlagSet, size *rlhf.Size) {
	names := make([]string, len(rlhf.Sizes()))
	for i, s := range rlhf.Sizes() {
		names[i] = string(s)
	}
	fs.StringVar((*string)(size), "size", string(rlhf.Default), strings.Join(names, ", ")+": fills what is left at zero")
}

func bindRuns(fs *flag.FlagSet, runs *string) {
	fs.StringVar(runs, "runs", os.Getenv(headless.RunsEnv), "`folder` of the runs (default: $"+headless.RunsEnv+", else runs in the data folder)")
}

// open opens the model that the flags name, without its weights.
func (f modelFlags) open(ctx context.Context, s shell, command string) (languageModel, error) {
	if f.model == "" {
		return nil, fmt.Errorf("%s: -model is missing; name a run, smollm2, hub:owner/name or a path", command)
	}
	m, err := s.open(ctx, f.runs, f.model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return m, nil
}

// load reads a model's weights, if the memory for need bytes is there.
func (f modelFlags) load(s shell, m languageModel, command string, need int64, cure string) error {
	a := m.About()
	if err := demand(s.err, fmt.Sprintf("%s: %s (%s parameters)", command, a.Name, count(a.Params)), need, cure, f.force); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	stop := p.waiting("reading the weights of " + a.Name)
	defer stop()
	return m.Load()
}

// count words a number of parameters: 134.5M.
func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1fK", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

func exportCommand(s shell) command {
	return command{
		name: "lm export", short: "write a model as a Hugging Face folder",
		long: `
Writes config.json, model.safetensors and the tokenizer into a new folder, which
the transformers library, and rlhf lm itself, open.

  rlhf lm export -model first -o first-hf
  rlhf lm export -model smollm2 -o smollm2-f32      weights unpacked to float32` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f modelFlags
			f.bind(fs)
			out := fs.String("o", "", "`folder` to write, new or empty (required)")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runExport(ctx, s, f, *out)
			}
		},
	}
}

func runExport(ctx context.Context, s shell, f modelFlags, dir string) error {
	const command = "lm export"
	if dir == "" {
		return errors.New(command + ": -o is missing; name the folder to write")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s: -o %s is not empty; name a new folder", command, dir)
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	a := m.About()
	// The weights, and a copy of one tensor at a time.
	if err := f.load(s, m, command, a.Bytes+a.Bytes/2, "take a smaller model"); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	stop := p.waiting("writing " + memory.Text(a.Bytes) + " to " + dir)
	err = m.Export(dir)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		return printJSON(s.out, struct {
			Model  string `json:"model"`
			Dir    string `json:"dir"`
			Params int64  `json:"params"`
		}{a.Name, dir, a.Params})
	}
	fmt.Fprintf(s.out, "%s: %s parameters in %s\n", a.Name, count(a.Params), dir)
	return nil
}
