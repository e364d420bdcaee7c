package show_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/watch"
)

// A judge is a preference model in training: the further it is, the further apart it
// scores the two sides of a pair.
type judge struct {
	*run
	scored int // calls of Score
}

func newJudge(done, planned int) *judge {
	r := newRun("pm", done, planned, false)
	r.points = pmHistory(planned, false)
	return &judge{run: r}
}

func (j *judge) Comparisons(n int) ([]rlhf.Comparison, error) {
	var cs []rlhf.Comparison
	for i, p := range judgedPairs(n) {
		hello := fmt.Sprintf(" Hello, I am number %d.", i) // or it would all be one conversation
		p.Comparison.Chosen.Prompt = strings.Replace(p.Comparison.Chosen.Prompt, " Hello.", hello, 1)
		p.Comparison.Rejected.Prompt = p.Comparison.Chosen.Prompt
		cs = append(cs, p.Comparison)
	}
	return cs, nil
}

func (j *judge) Score(ts []rlhf.Transcript) ([]float64, error) {
	j.scored++
	out := make([]float64, len(ts))
	for i, t := range ts {
		h := fnv.New64a()
		h.Write([]byte(t.Prompt))
		common := rand.New(rand.NewPCG(1, h.Sum64())).NormFloat64()
		h.Write([]byte(t.Response))
		out[i] = common + 0.7*rand.New(rand.NewPCG(2, h.Sum64())).NormFloat64()
		if strings.HasPrefix(t.Response, " It is") {
			out[i] += 1.2 * (1 - math.Exp(-3*float64(j.at())/float64(j.planned)))
		}
	}
	return out, nil
}

var errNotFaked = errors.New("the fake does not do this")

func (j *judge) Activations([]string, rlhf.Probe) (rlhf.Activations, error) {
	return rlhf.Activations{}, errNotFaked
}
func (j *judge) Evaluate() (rlhf.PMEval, error)              { return rlhf.PMEval{}, errNotFaked }
func (j *judge) EvaluateOn(string, int) (rlhf.PMEval, error) { return rlhf.PMEval{}, errNotFaked }
func (j *judge) BestOf(string, []string, int, rlhf.Sampling) ([]rlhf.Choice, error) {
	return nil, errNotFaked
}

// fakeLab is a lab with one run.
type fakeLab struct {
	rlhf.Lab
	run *run
	hub watch.Hub
	err error // of watching
}

type fakePPO struct {
	rlhf.PPORun
	*run
}

func (p fakePPO) Info() (rlhf.RunInfo, error)              { return p.run.Info() }
func (p fakePPO) History() ([]rlhf.Point, error)           { return p.run.History() }
func (p fakePPO) Written(last int) ([]rlhf.Sample, error)  { return p.run.Written(last) }
func (p fakePPO) Train() iter.Seq2[rlhf.Event, error]      { return p.run.Train() }
func (p fakePPO) Steps(n int) iter.Seq2[rlhf.Event, error] { return p.run.Steps(n) }

func (l *fakeLab) Runs() ([]rlhf.RunInfo, error) {
	info, err := l.run.Info()
	return []rlhf.RunInfo{{Name: "other", Kind: "lm"}, info}, err
}
func (l *fakeLab) OpenPPO(string) (rlhf.PPORun, error) { return fakePPO{run: l.run}, nil }
func (l *fakeLab) Status() (rlhf.Status, error) {
	info, err := l.run.Info()
	return rlhf.Status{Runs: []rlhf.RunState{{Name: info.Name, Kind: info.Kind, Step: info.Step, Planned: info.Planned}}}, err
}
func (l *fakeLab) History(string) ([]rlhf.Point, error) { return l.run.History() }
func (l *fakeLab) Watch(name string) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		for e, err := range l.hub.Watch(context.Background(), l, name, "", 10*time.Second) {
			if !yield(e, cmp.Or(l.err, err)) {
				return
			}
		}
	}
}

// train takes steps as the cell of another notebook.
func (l *fakeLab) train(n int) {
	defer l.hub.Drive(l.run.name)()
	for e := range l.run.Steps(n) {
		l.hub.Tell(e)
	}
}
