package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// splitSeed fixes which prompts are held out, whatever the run: a prompt that a
// language model was not trained on stays unseen by the preference model and
// the policy too, as long as they hold out at least the same fraction.
const splitSeed = 0

// A corpus is what a run is made from, resolved.
type corpus struct {
	world *synth.World // nil unless synthetic
	name  string
	rows  []rlhf.Comparison // files only
	read  run.DataHash      // what was read and left out; files only
	notes []string
	l     *Lab
}

// open resolves a data name: "synth", "synth:7", a named data set or a path.
func (l *Lab) open(name string, rows int) (*corpus, error) {
	c := &corpus{name: name, l: l}
	if rlhf.Synthetic(name) {
		var err error
		if c.world, err = synth.Named(name); err != nil {
			return nil, fmt.Errorf("local: %w", err)
		}
		return c, nil
	}
	path, err := l.locate(name)
	if err != nil {
		return nil, err
	}
	var all []rlhf.Comparison
	var report data.Report
	if data.IsDump(path) {
		all, report, err = data.LoadThreads(path, data.ThreadOptions{})
	} else {
		all, report, err = data.Load(path, data.Options{})
	}
	if err != nil {
		return nil, err
	}
	unique, dropped := data.Dedup(all)
	// What is kept travels into notebooks, so it names files below the data set only.
	parent := filepath.Dir(path) + string(filepath.Separator)
	for i := range unique {
		unique[i].Source = strings.TrimPrefix(unique[i].Source, parent)
	}
	c.notes = append(c.notes, strings.Split(strings.ReplaceAll(report.String(), parent, ""), "\n")...)
	c.read.Read = report.Rows
	leave := func(reason string, where []string) {
		odd := rlhf.Odd{Reason: reason, Rows: len(where)}
		for _, w := range where[:min(rlhf.OddShown, len(where))] {
			odd.Where = append(odd.Where, strings.TrimPrefix(w, parent))
		}
		c.read.Odd = append(c.read.Odd, odd)
	}
	for _, odd := range report.Odd {
		leave(string(odd.Kind), odd.Where)
	}
	if len(dropped) > 0 {
		var where []string
		for _, d := range dropped {
			where = append(where, d.Source)
		}
		leave("duplicate of an earlier row", where)
		c.notes = append(c.notes, fmt.Sprintf("%d duplicate comparisons dropped", len(dropped)))
	}
	c.rows = some(unique, rows)
	if len(c.rows) < len(unique) {
		c.notes = append(c.notes, fmt.Sprintf("%d of them used (Rows)", len(c.rows)))
	}
	return c, nil
}

// locate maps a data name to a path: a path that exists, or what Options.Datasets knows.
func (l *Lab) locate(name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if l.opt.Datasets != nil {
		path, err := l.opt.Datasets(name)
		if err != nil {
			return "", fmt.Errorf("local: Data = %q: %w", name, err)
		}
		if path != "" {
			return path, nil
		}
	}
	return "", fmt.Errorf(`local: Data = %q: no such file or folder, and no data set of that name; want "synth", "hh-rlhf", or the path of a folder, a .jsonl(.gz) file or a Stack Exchange dump`, name)
}

// some picks n items, always the same ones of the same list, and keeps their
// order; a smaller pick is a part of a larger one. 0 is all.
func some(cs []rlhf.Comparison, n int) []rlhf.Comparison {
	if n <= 0 || n >= len(cs) {
		return cs
	}
	at := run.Seed(splitSeed).Stream("data/rows", 0).Perm(len(cs))[:n]
	slices.Sort(at)
	out := make([]rlhf.Comparison, n)
	for i, j := range at {
		out[i] = cs[j]
	}
	return out
}

// info identifies the rows used.
func (c *corpus) info(rows []rlhf.Comparison) run.DataHash {
	return run.DataHash{Name: c.name, Rows: len(rows), SHA256: data.Hash(rows)}
}

// transcripts returns what a language model trains on and is evaluated on: of
// files, the chosen side of each comparison.
func (c *corpus) transcripts(cfg rlhf.LM) (train, held []rlhf.Transcript, info run.DataHash, err error) {
	seed := run.Seed(cfg.Seed)
	if c.world != nil {
		train = c.world.Corpus(cfg.Rows, seed.Stream("synth/corpus", 0))
		held = c.world.Corpus(max(64, int(cfg.HeldOut*float64(cfg.Rows))), seed.Stream("synth/corpus", 1))
	} else {
		a, b := data.Split(c.rows, cfg.HeldOut, splitSeed)
		train, held = chosen(a), chosen(b)
	}
	if len(train) == 0 || len(held) == 0 {
		return nil, nil, info, fmt.Errorf("local: Data = %q: %d transcripts to train on and %d held out; give more Rows or another HeldOut", c.name, len(train), len(held))
	}
	asRows := make([]rlhf.Comparison, len(train))
	for i, t := range train {
		asRows[i].Chosen = t
	}
	return train, held, c.info(asRows), nil
}

func chosen(cs []rlhf.Comparison) []rlhf.Transcript {
	out := make([]rlhf.Transcript, len(cs))
	for i, c := range cs {
		out[i] = c.Chosen
	}
	return out
}

// heldOutPrompts is the share of prompts that a policy is compared on, not trained on.
const heldOutPrompts = 0.1

// prompts returns what a policy is trained on and compared on.
func (c *corpus) prompts(cfg rlhf.PPO) (train, held []string, info run.DataHash, err error) {
	rows := c.rows
	if c.world != nil {
		n := cfg.Rows
		if n == 0 {
			n = 4096
		}
		for _, p := range c.world.Prompts(n, run.Seed(cfg.Seed).Stream("synth/prompts", 0), max(0, cfg.HarmfulFraction)) {
			rows = append(rows, rlhf.Comparison{Chosen: rlhf.Transcript{Prompt: p}})
		}
	}
	a, b := data.Split(rows, heldOutPrompts, splitSeed)
	if c.world != nil { // frequent prompts stay frequent
		train, held = promptsOf(a), promptsOf(b)
	} else {
		train, held = data.Prompts(a), data.Prompts(b)
	}
	if len(train) == 0 || len(held) == 0 {
		return nil, nil, info, errors.New("local: no prompts; give more Rows")
	}
	return train, held, c.info(rows), nil
}

func promptsOf(cs []rlhf.Comparison) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.Chosen.Prompt
	}
	return out
}

// judge returns the gold label of a response, nil where there is no world to know it.
func (c *corpus) judge(prompt, response string) *rlhf.Gold {
	if c.world == nil {
		return nil
	}
	g := c.world.Judge(rlhf.Transcript{Prompt: prompt, Response: response})
	return &g
}

// verify refuses to go on with a run whose data has changed since it was made.
func verify(name string, was, now []run.DataHash) error {
	if len(was) != len(now) {
		return fmt.Errorf("local: run %q was made from %d corpora, of which %d are left; start a new run under another name", name, len(was), len(now))
	}
	for i := range was {
		if was[i].SHA256 != now[i].SHA256 {
			return fmt.Errorf("local: run %q was made from other data: %q had %d rows then and %d now, or their content differs; restore the data, or start a new run under another name",
				name, now[i].Name, was[i].Rows, now[i].Rows)
		}
	}
	return nil
}
