package online_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/synth"
)

// lab is a Lab without models, for a loop of many interrupts: a policy is a skill in
// [0, 1], a preference model sees the truth through noise that more comparisons make
// smaller, training is counting. Its runs are files, so that a new lab over the same
// folder goes on with them.
type lab struct {
	rlhf.Lab // what a loop does not call
	dir      string
	world    *synth.World
	ctx      context.Context
	calls    *[]string
}

// record is a run on disk. A process that is killed leaves metrics up to Step and
// weights as of Saved.
type record struct {
	Info   rlhf.RunInfo
	Step   int
	Saved  int
	Points []rlhf.Point
	Skill  float64 // of a language model, or what a policy can reach
	Noise  float64 // of a preference model
	From   string  // of a snapshot
}

func newLab(dir string) *lab {
	l := &lab{dir: dir, world: synth.Small(0), ctx: context.Background(), calls: new([]string)}
	if _, err := l.read("lm"); err != nil {
		l.write(&record{Info: rlhf.RunInfo{Name: "lm", Kind: "lm", Config: json.RawMessage(`{"data":"synth-small"}`)}})
	}
	return l
}

func (l *lab) With(ctx context.Context) rlhf.Lab { m := *l; m.ctx = ctx; return &m }

func (l *lab) Status() (rlhf.Status, error) { return rlhf.Status{Dir: l.dir}, nil }

func (l *lab) path(name string) string { return filepath.Join(l.dir, name+".run") }

func (l *lab) read(name string) (*record, error) {
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		return nil, fmt.Errorf("no run %q", name)
	}
	r := new(record)
	return r, json.Unmarshal(text, r)
}

func (l *lab) write(r *record) {
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(l.path(r.Info.Name), text, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// make makes a run or checks that it has that configuration.
func (l *lab) make(name, kind string, config any, planned int) (*record, bool, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, false, err
	}
	if r, err := l.read(name); err == nil {
		var a, b any
		if err := errors.Join(json.Unmarshal(r.Info.Config, &a), json.Unmarshal(text, &b)); err != nil || !reflect.DeepEqual(a, b) {
			return nil, false, fmt.Errorf("run %q exists with another configuration (%v)", name, err)
		}
		return r, false, nil
	}
	return &record{Info: rlhf.RunInfo{Name: name, Kind: kind, Config: text, Planned: planned}}, true, nil
}

func (l *lab) PM(name string, c rlhf.PM) (rlhf.PMRun, error) {
	r, fresh, err := l.make(name, "pm", c, 3)
	if err != nil {
		return nil, err
	}
	if fresh {
		cs, _, err := data.Load(c.Data, data.Options{Strict: true})
		if err != nil {
			return nil, err
		}
		if _, dropped := data.Dedup(cs); len(dropped) > 0 {
			return nil, fmt.Errorf("%d comparisons of %s stand in it twice", len(dropped), c.Data)
		}
		for _, m := range c.Mix {
			n := 0
			for _, cmp := range cs {
				if cmp.Tranche == m.Data {
					n++
				}
			}
			if float64(c.Rows)*m.Weight > float64(n)+1 {
				return nil, fmt.Errorf("tranche %s has %d comparisons of %v", m.Data, n, float64(c.Rows)*m.Weight)
			}
		}
		r.Noise = 8 / math.Sqrt(float64(len(cs)))
		r.Info.Data = []rlhf.DataInfo{{Rows: len(cs), SHA256: data.Hash(cs)}}
		l.write(r)
	}
	return l.OpenPM(name)
}

func (l *lab) PPO(name string, c rlhf.PPO) (rlhf.PPORun, error) {
	r, fresh, err := l.make(name, "ppo", c, c.Planned)
	if err != nil {
		return nil, err
	}
	if fresh {
		pm, err := l.read(c.PM)
		if err != nil {
			return nil, err
		}
		if pm.Saved < pm.Info.Planned {
			return nil, fmt.Errorf("%s is at step %d of %d", c.PM, pm.Saved, pm.Info.Planned)
		}
		r.Skill = 0.9 / (1 + pm.Noise)
		l.write(r)
	}
	return &fakePPO{fakeRun: fakeRun{l, name}}, nil
}

func (l *lab) OpenLM(name string) (rlhf.LMRun, error) {
	_, err := l.read(name)
	return &fakeLM{fakeRun: fakeRun{l, name}}, err
}

func (l *lab) OpenPM(name string) (rlhf.PMRun, error) {
	_, err := l.read(name)
	return &fakePM{fakeRun: fakeRun{l, name}}, err
}

type fakeRun struct {
	l    *lab
	name string
}

type (
	fakeLM struct {
		rlhf.LMRun
		fakeRun
	}
	fakePM struct {
		rlhf.PMRun
		fakeRun
	}
	fakePPO struct {
		rlhf.PPORun
		fakeRun
	}
)

func (r fakeRun) Info() (rlhf.RunInfo, error) {
	rec, err := r.l.read(r.name)
	if err != nil {
		return rlhf.RunInfo{}, err
	}
	rec.Info.Step = rec.Step
	return rec.Info, nil
}

// steps counts up to the step that to makes of the one that is saved.
func (r fakeRun) steps(to func(*record) int) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		rec, err := r.l.read(r.name)
		if err != nil {
			yield(rlhf.Event{}, err)
			return
		}
		rec.Step, rec.Points = rec.Saved, rec.Points[:rec.Saved] // loading
		r.l.write(rec)
		of := to(rec)
		for rec.Step < of {
			if err := r.l.ctx.Err(); err != nil {
				yield(rlhf.Event{}, err)
				return
			}
			rec.Step++
			h := fnv.New64a()
			fmt.Fprint(h, rec.Step, rec.Skill, rec.Noise, rec.Info.Data)
			p := rlhf.Point{Step: rec.Step, Values: map[string]float64{"x": float64(h.Sum64() >> 12)}}
			rec.Points = append(rec.Points, p)
			rec.Saved = rec.Step
			r.l.write(rec)
			*r.l.calls = append(*r.l.calls, fmt.Sprintf("%s step %d", r.name, rec.Step))
			if !yield(rlhf.Event{Run: r.name, Kind: rec.Info.Kind, Step: rec.Step, Of: of, Point: &p}, nil) {
				return
			}
		}
	}
}

func (r *fakePM) Info() (rlhf.RunInfo, error)  { return r.fakeRun.Info() }
func (r *fakePPO) Info() (rlhf.RunInfo, error) { return r.fakeRun.Info() }
func (r *fakeLM) Info() (rlhf.RunInfo, error)  { return r.fakeRun.Info() }

func (r *fakePM) Train() iter.Seq2[rlhf.Event, error] {
	return r.steps(func(rec *record) int { return rec.Info.Planned })
}

func (r *fakePPO) Steps(n int) iter.Seq2[rlhf.Event, error] {
	return r.steps(func(rec *record) int { return rec.Step + n })
}

func (r *fakePPO) Snapshot(name string) (rlhf.LMRun, error) {
	rec, err := r.l.read(r.name)
	if err != nil {
		return nil, err
	}
	if old, err := r.l.read(name); err == nil && old.From != fmt.Sprint(r.name, rec.Saved) {
		return nil, fmt.Errorf("%q is another snapshot", name)
	}
	skill := rec.Skill * float64(rec.Saved) / float64(rec.Info.Planned)
	r.l.write(&record{Info: rlhf.RunInfo{Name: name, Kind: "lm"}, Skill: skill, From: fmt.Sprint(r.name, rec.Saved)})
	return r.l.OpenLM(name)
}

func (r *fakeLM) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	if err := r.l.ctx.Err(); err != nil {
		return nil, err
	}
	rec, err := r.l.read(r.name)
	if err != nil {
		return nil, err
	}
	*r.l.calls = append(*r.l.calls, fmt.Sprintf("%s answers %d", r.name, len(prompts)))
	out := make([]rlhf.Sample, len(prompts))
	for i, p := range prompts {
		out[i] = rlhf.Sample{Prompt: p, Response: r.l.respond(p, rec.Skill, o.Seed, i)}
	}
	return out, nil
}

// respond writes the best response with probability skill, else any.
func (l *lab) respond(prompt string, skill float64, seed uint64, i int) string {
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	q, _ := l.world.Question(prompt)
	best, worst := synth.RightPolite, synth.Rude
	if q.Harmful {
		best, worst = synth.RefusedKindly, synth.Complied
	}
	if rng.Float64() < skill {
		return l.world.Respond(q, best, rng)
	}
	return l.world.Respond(q, best+synth.Quality(rng.IntN(int(worst-best)+1)), rng)
}

func (r *fakePM) Score(ts []rlhf.Transcript) ([]float64, error) {
	rec, err := r.l.read(r.name)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(ts))
	for i, t := range ts {
		h := fnv.New64a()
		fmt.Fprint(h, r.name, t)
		out[i] = 2*synth.Utility(r.l.world.Judge(t)) + rec.Noise*rand.New(rand.NewPCG(h.Sum64(), 0)).NormFloat64()
	}
	return out, nil
}

func (r *fakePM) BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error) {
	rec, err := r.l.read(policy)
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Choice, len(prompts))
	for i, p := range prompts {
		var samples []rlhf.Sample
		for j := range k {
			s := rlhf.Sample{Prompt: p, Response: r.l.respond(p, rec.Skill, o.Seed+uint64(j)+1, i)}
			scores, err := r.Score([]rlhf.Transcript{{Prompt: p, Response: s.Response}})
			if err != nil {
				return nil, err
			}
			s.Score = scores[0]
			samples = append(samples, s)
		}
		out[i] = rlhf.Choose(p, samples)
	}
	return out, nil
}

func (r *fakePM) EvaluateOn(folder string, _ int) (rlhf.PMEval, error) {
	cs, _, err := data.Load(folder, data.Options{})
	if err != nil {
		return rlhf.PMEval{}, err
	}
	_, held := data.Split(cs, 0.2, 0)
	js, err := eval.Judge(held, r.Score)
	if err != nil {
		return rlhf.PMEval{}, err
	}
	return rlhf.PMEval{Tranches: eval.ByTranche(js)}, nil
}

var _ rlhf.Lab = (*lab)(nil)

// small is a loop that the fake lab walks through in a blink.
func small() online.Config {
	return online.Config{Size: rlhf.Tiny, LM: "lm", Rounds: 2, Base: 300, RS: 200, Online: 200, K: 4, Snapshots: 2, Trial: 80, Control: 150, Harmful: 0.3, PPO: rlhf.PPO{Planned: 5}}
}
