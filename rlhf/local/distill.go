package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/distill"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
)

// distillModel is what is loaded behind a distilled language model.
type distillModel struct {
	*voice
	trainer *distill.Trainer
	held    *distill.Targets
	cfg     rlhf.Distill
}

func (m *distillModel) done() int { return m.trainer.State.Updates }
func (m *distillModel) states() map[string]*fit.State {
	return map[string]*fit.State{"lm": m.trainer.State}
}
func (m *distillModel) names() map[string][]string {
	return map[string][]string{"lm": lm.Names(m.Shape.Weights())}
}
func (m *distillModel) close()                     { m.trainer.State.Free() }
func (m *distillModel) tensors() []*tensors.Tensor { return held(m) }

func (m *distillModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	values, err := m.trainer.Step()
	return rlhf.Point{Step: m.done(), Values: values}, nil, err
}

// evaluate measures the distance from the prompted teacher on held-out texts, and
// the loss on the held-out part of the data.
func (m *distillModel) evaluate() (rlhf.LMEval, error) {
	d, err := m.trainer.Evaluate(m.held)
	if err != nil {
		return rlhf.LMEval{}, err
	}
	e, err := m.evaluateOn(m.cfg.Data, evaluatedTexts)
	e.KL, e.KLSE = d.KL, (d.High-d.Low)/(2*1.96)
	return e, err
}

// evaluatedTexts bounds the texts on which a distilled model's loss is measured.
const evaluatedTexts = 200

// Distill implements rlhf.Lab.
func (l *Lab) Distill(name string, cfg rlhf.Distill) (rlhf.LMRun, error) {
	if cfg.Teacher != "" {
		teacher, err := l.language(cfg.Teacher)
		if err != nil {
			return nil, fmt.Errorf("distill: Teacher = %q: %w", cfg.Teacher, err)
		}
		cfg = defaultsOf(cfg, teacher)
	}
	cfg = cfg.Filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	err := l.ensure(name, "distill", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		plan, err := l.planDistill(cfg)
		if err != nil {
			return nil, err
		}
		if err := l.sameTokenizer(cfg.Student, cfg.Teacher); err != nil {
			return nil, err
		}
		m.Data, m.Tokenizer, m.Parents = plan.info, plan.teacher.tok.Hash(), []string{cfg.Teacher, cfg.Student}
		f.Shape, f.Context, f.Notes = plan.student.shape, plan.student.context, plan.notes
		if f.Planned = cfg.Planned; f.Planned == 0 {
			f.Planned = distill.Settings{Batch: cfg.Batch}.Filled(len(plan.texts) - plan.heldOut).Planned
		}
		return saver(plan.teacher.tok), nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// defaultsOf completes a configuration from its teacher's.
func defaultsOf(cfg rlhf.Distill, teacher *language) rlhf.Distill {
	if cfg.Student == "" {
		cfg.Student = cfg.Teacher
	}
	if cfg.Data == "" {
		cfg.Data = transcriptsOf(teacher.data)
	}
	if cfg.Text == "" {
		cfg.Text = cfg.Data
	}
	if cfg.LearningRate == 0 {
		share := distill.RateShare
		if cfg.Size == rlhf.Tiny {
			share = 0.2
		}
		cfg.LearningRate = share * teacher.rate
	}
	return cfg
}

// A distillPlan is what a configuration comes to: the teacher, its prompt, and
// the texts that it reads behind it.
type distillPlan struct {
	teacher, student *language
	prompt           []int32
	texts            [][]int32
	heldOut          int
	info             []run.DataHash
	notes            []string
}

func (l *Lab) planDistill(cfg rlhf.Distill) (*distillPlan, error) {
	p := &distillPlan{}
	var err error
	if p.teacher, err = l.language(cfg.Teacher); err != nil {
		return nil, fmt.Errorf("distill: Teacher = %q: %w", cfg.Teacher, err)
	}
	if p.student, err = l.language(cfg.Student); err != nil {
		return nil, fmt.Errorf("distill: Student = %q: %w", cfg.Student, err)
	}
	tok, ends := p.teacher.tok, p.teacher.ours
	// Half of the context for the prompt, unless Context claims more for the texts.
	room := p.teacher.shape.Context / 2
	if cfg.Context > 0 {
		room = p.teacher.shape.Context - cfg.Context
	}
	text, err := l.promptOf(cfg)
	if err != nil {
		return nil, err
	}
	fitted, dialogues, err := distill.Fit(tok, text, room, ends)
	if err != nil {
		return nil, err
	}
	p.prompt = distill.Encode(tok, fitted, ends)
	p.notes = append(p.notes, fmt.Sprintf("the prompt: %d dialogues, %d tokens", dialogues, len(p.prompt)))
	length := min(p.teacher.shape.Context-len(p.prompt)-len(p.teacher.starts()), p.student.shape.Context-len(p.teacher.starts()))
	if cfg.Context > 0 {
		length = min(length, cfg.Context)
	}
	talk, err := l.openReading(rlhf.LM{Data: cfg.Data, Rows: cfg.Rows, HeldOut: 0.01, Seed: cfg.Seed})
	if err != nil {
		return nil, err
	}
	defer talk.close()
	plain, err := l.openReading(rlhf.LM{Data: cfg.Text, Rows: cfg.Rows, HeldOut: 0.01, Seed: cfg.Seed + 1})
	if err != nil {
		return nil, err
	}
	defer plain.close()
	var dialogueIDs, plainIDs [][]int32
	for _, s := range talk.train {
		t, err := rlhf.ParseTranscript(s)
		if err != nil {
			return nil, fmt.Errorf("distill: Data = %q holds text that is no dialogue: %w", cfg.Data, err)
		}
		if ids := distill.Dialogue(tok, t, ends); len(ids) <= length {
			dialogueIDs = append(dialogueIDs, ids)
		}
	}
	for _, s := range plain.train {
		if t, err := rlhf.ParseTranscript(s); err == nil {
			s = strings.TrimSpace(t.Response) // what is plain text in a world of dialogues
		}
		plainIDs = append(plainIDs, distill.Plain(tok, s, length))
	}
	p.texts = distill.Mix(plainIDs, dialogueIDs, distill.PlainShare, cfg.Rows, run.Seed(cfg.Seed).Stream("distill/mix", 0))
	p.heldOut = max(1, int(cfg.HeldOut*float64(len(p.texts))))
	if len(p.texts)-p.heldOut < cfg.Batch {
		return nil, fmt.Errorf("distill: %d texts fit behind the prompt, %d of them held out: fewer than Batch = %d", len(p.texts), p.heldOut, cfg.Batch)
	}
	p.info = append(talk.info, plain.info...)
	return p, nil
}

// promptDialogues is how many dialogues the synthetic world's prompt has; Fit takes
// as many of them as have room.
const promptDialogues = 14

// promptOf returns the text of the prompt.
func (l *Lab) promptOf(cfg rlhf.Distill) (string, error) {
	if cfg.Prompt != "" {
		return cfg.Prompt, nil
	}
	if !rlhf.Synthetic(cfg.Data) {
		return distill.HHH(), nil
	}
	c, err := l.open(cfg.Data, 1)
	if err != nil {
		return "", err
	}
	return c.world.HHHPrompt(promptDialogues, run.Seed(cfg.Seed).Stream("distill/prompt", 0)), nil
}

// targetsFile keeps what the teacher said, which takes longer than reading it.
const targetsFile = "targets.safetensors"

func loadDistill(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.Distill
	r, f, err := l.openKind(name, "distill", &cfg)
	if err != nil {
		return nil, err
	}
	plan, err := l.planDistill(cfg)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, plan.info); err != nil {
		return nil, err
	}
	targets, err := l.targets(filepath.Join(r.Dir(), targetsFile), cfg, plan, say)
	if err != nil {
		return nil, err
	}
	train, held, err := targets.Split(plan.heldOut)
	if err != nil {
		return nil, err
	}
	weights, err := l.weightsOfLanguage(cfg.Student)
	if err != nil {
		return nil, err
	}
	student := distill.Model{Shape: f.Shape, Weights: weights, Tokenizer: plan.student.tok}
	set := distill.Settings{LearningRate: cfg.LearningRate, Batch: cfg.Batch, Planned: f.Planned, ClipNorm: cfg.ClipNorm}
	t, err := distill.NewTrainer(l.be, student, train, set, run.Seed(cfg.Seed).Stream)
	if err != nil {
		return nil, err
	}
	m := &distillModel{trainer: t, held: held, cfg: cfg}
	m.voice = l.newVoice(name, plan.student, func() []*tensors.Tensor { return t.State.Params })
	c, err := l.open(cfg.Data, 1)
	if err == nil {
		m.judge = c.judge
	}
	return l.resume(r, m)
}

// targets reads what the teacher said from the run's folder, or asks it.
func (l *Lab) targets(path string, cfg rlhf.Distill, plan *distillPlan, say func(string)) (*distill.Targets, error) {
	model := distill.Model{Shape: plan.teacher.shape, Tokenizer: plan.teacher.tok}
	opt := distill.Options{Prompt: plan.prompt, Start: plan.teacher.starts(), K: min(cfg.Top, plan.teacher.shape.Vocab-1), Name: cfg.Teacher}
	teacher, err := distill.NewTeacher(l.be, model, opt) // what it said before needs no weights
	if err != nil {
		return nil, err
	}
	targets, err := distill.Load(path)
	if err == nil && targets.Key == teacher.Key(plan.texts) {
		return targets, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if model.Weights, err = l.weightsOfLanguage(cfg.Teacher); err != nil {
		return nil, fmt.Errorf("distill: Teacher = %q: %w", cfg.Teacher, err)
	}
	defer gx.Free(model.Weights...)
	if teacher, err = distill.NewTeacher(l.be, model, opt); err != nil {
		return nil, err
	}
	say(fmt.Sprintf("%s reads %d texts behind the prompt", cfg.Teacher, len(plan.texts)))
	targets, err = teacher.Ask(l.ctx, plan.texts, func(done int) {
		if done%512 == 0 {
			say(fmt.Sprintf("%s has read %d of %d texts", cfg.Teacher, done, len(plan.texts)))
		}
	})
	if err != nil {
		return nil, err
	}
	return targets, targets.Save(path)
}
