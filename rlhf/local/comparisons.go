package local

import (
	"fmt"
	"math"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

// A trial is what a preference model learns from and is measured on: the comparisons
// that its context holds.
type trial struct {
	all         []rlhf.Comparison // training and held out, in the order of the data
	train, held []int             // of all
	info        run.DataHash
	notes       []string
	world       *synth.World // nil unless synthetic
	crowd       synth.Crowd  // who chose, in the world
}

// openTrial resolves the data of a preference model. cfg is filled, its Context set.
func (l *Lab) openTrial(cfg rlhf.PM, tok tokenizer.Tokenizer) (*trial, error) {
	rows, t, err := l.drawn(cfg)
	if err != nil {
		return nil, err
	}
	pairs, left, cut := pm.EncodeAll(tok, rows, cfg.Context)
	t.info.Odd = append(t.info.Odd, left...)
	if cut > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%d of %d prompts lost their oldest turns to fit Context = %d tokens", cut, len(rows), cfg.Context))
	}
	for _, p := range pairs {
		t.all = append(t.all, rows[p.At])
	}
	_, test := data.Split(t.all, cfg.HeldOut, cfg.Split)
	out := make(map[string]bool, len(test))
	for _, c := range test {
		out[c.Source] = true
	}
	for i, c := range t.all {
		if out[c.Source] != cfg.Swap {
			t.held = append(t.held, i)
		} else {
			t.train = append(t.train, i)
		}
	}
	if len(t.train) < cfg.Batch {
		return nil, fmt.Errorf("local: Data = %q: %d training comparisons fit, fewer than Batch = %d; give more Rows, a larger Context or a smaller Batch", cfg.Data, len(t.train), cfg.Batch)
	}
	if err := weighable(cfg.Weights, t.all); err != nil {
		return nil, err
	}
	t.info.Name, t.info.Rows, t.info.SHA256 = cfg.Data, len(t.all), data.Hash(t.all)
	return t, nil
}

// drawn reads or draws the comparisons of a configuration's Data, Mix and Rows.
func (l *Lab) drawn(cfg rlhf.PM) (rows []rlhf.Comparison, t *trial, err error) {
	c, err := l.open(cfg.Data, 0)
	if err != nil {
		return nil, nil, err
	}
	t = &trial{world: c.world, info: c.read, notes: c.notes, crowd: synth.DefaultCrowd()}
	rng := run.Seed(cfg.Seed).Stream("synth/comparisons", 0)
	switch {
	case rlhf.Forum(cfg.Data):
		t.world = nil // which knows the worth of answers, not of marked ones
		for _, thread := range c.world.Forum(cfg.Rows, rng) {
			d := data.Thread{Question: thread.Question, Source: fmt.Sprintf("%s:%d", cfg.Data, len(rows))}
			for _, a := range thread.Answers {
				d.Answers = append(d.Answers, data.Answer(a))
			}
			rows = append(rows, data.Binarise(data.Ranked(d, 0))...)
		}
		for i := range rows {
			rows[i].Tranche, rows[i].Source = "forum", fmt.Sprintf("forum:%d", i)
		}
		return rows[:min(cfg.Rows, len(rows))], t, nil
	case c.world != nil:
		if t.crowd.Harmful, err = harmfulShare(cfg.Mix, t.crowd.Harmful); err != nil {
			return nil, nil, err
		}
		return c.world.Comparisons(cfg.Rows, rng, t.crowd), t, nil
	case len(cfg.Mix) > 0:
		rows, err = mixed(c.rows, cfg.Mix, cfg.Rows)
		return rows, t, err
	}
	rows = some(c.rows, cfg.Rows)
	if len(rows) < len(c.rows) {
		t.notes = append(t.notes, fmt.Sprintf("%d of %d comparisons used (Rows)", len(rows), len(c.rows)))
	}
	return rows, t, nil
}

// weighable refuses a weight for a tranche that the data does not have.
func weighable(weights []rlhf.Share, all []rlhf.Comparison) error {
	var names []string
	for _, c := range all {
		if !slices.Contains(names, c.Tranche) {
			names = append(names, c.Tranche)
		}
	}
	for i, w := range weights {
		if !slices.Contains(names, w.Data) {
			return fmt.Errorf("pm: Weights[%d].Data = %q, which is no tranche of the data; there are %q", i, w.Data, names)
		}
	}
	return nil
}

// harmfulShare is the share of red-team prompts of a mix of the world's tranches.
func harmfulShare(mix []rlhf.Share, otherwise float64) (float64, error) {
	if len(mix) == 0 {
		return otherwise, nil
	}
	share := 0.0
	for i, m := range mix {
		switch m.Data {
		case synth.TrancheHarmless:
			share = m.Weight
		case synth.TrancheHelpful:
		default:
			return 0, fmt.Errorf("pm: Mix[%d].Data = %q, want %q or %q, the tranches of the synthetic world", i, m.Data, synth.TrancheHelpful, synth.TrancheHarmless)
		}
	}
	return share, nil
}

// mixed picks n comparisons (0: as many as can be) of which each tranche has its share.
func mixed(rows []rlhf.Comparison, mix []rlhf.Share, n int) ([]rlhf.Comparison, error) {
	by := map[string][]rlhf.Comparison{}
	var names []string
	for _, c := range rows {
		if by[c.Tranche] == nil {
			names = append(names, c.Tranche)
		}
		by[c.Tranche] = append(by[c.Tranche], c)
	}
	most := math.MaxInt
	for i, m := range mix {
		have := len(by[m.Data])
		if have == 0 {
			return nil, fmt.Errorf("pm: Mix[%d].Data = %q, which is no tranche of the data; there are %q", i, m.Data, names)
		}
		most = min(most, int(float64(have)/m.Weight))
	}
	if n > most {
		return nil, fmt.Errorf("pm: Rows = %d, more than the %d comparisons that the tranches give in the shares of Mix", n, most)
	}
	if n == 0 {
		n = most
	}
	keep := map[string]bool{}
	for _, m := range mix {
		if k := int(math.Round(m.Weight * float64(n))); k > 0 {
			for _, c := range some(by[m.Data], k) {
				keep[c.Source] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(c rlhf.Comparison) bool { return !keep[c.Source] }), nil
}

// source holds the training comparisons.
func (t *trial) source() pm.InMemory { return pick(t.all, t.train) }

func pick(cs []rlhf.Comparison, at []int) []rlhf.Comparison {
	out := make([]rlhf.Comparison, len(at))
	for i, k := range at {
		out[i] = cs[k]
	}
	return out
}

// openings are the conversations that the model was trained on.
func (t *trial) openings() map[string]bool {
	seen := map[string]bool{}
	for _, i := range t.train {
		seen[data.Opening(t.all[i].Chosen.Prompt)] = true
	}
	return seen
}
