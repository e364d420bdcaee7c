package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/run"
)

// A snapshot answers as the policy did, whatever becomes of that, and serves wherever a
// language model does.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	p := judged(t, l)
	fast := ppoConfig()
	fast.LearningRate, fast.Warmup = 1e-2, 1
	r, err := l.PPO("ppo", fast)
	if err != nil {
		t.Fatal(err)
	}
	train(t, r, 3)
	ask := func(r interface {
		Sample([]string, rlhf.Sampling) ([]rlhf.Sample, error)
	}) []rlhf.Sample {
		t.Helper()
		ss, err := r.Sample(heldOut, rlhf.Sampling{Seed: 3, MaxTokens: 12})
		if err != nil {
			t.Fatal(err)
		}
		return ss
	}
	before := ask(r)
	snap, err := r.Snapshot("snap")
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(snap); !reflect.DeepEqual(got, before) || got[0].Gold == nil {
		t.Errorf("the snapshot answers %+v, the policy %+v", got, before)
	}
	info, err := snap.Info()
	if err != nil || info.Kind != "lm" || len(info.Notes) == 0 || !strings.Contains(info.Notes[0], `PPO run "ppo" at step 3`) {
		t.Errorf("info %+v, %v", info, err)
	}
	if again, err := r.Snapshot("snap"); err != nil || !reflect.DeepEqual(ask(again), before) {
		t.Errorf("the same snapshot again: %v", err)
	}
	for _, err := range snap.Train() {
		t.Errorf("training a snapshot to its plan does something: %v", err)
	}
	for _, err = range snap.Steps(1) {
	}
	if err == nil || !strings.Contains(err.Error(), "Untrained") {
		t.Errorf("a step of a snapshot: %v", err)
	}
	// As a policy of BestOf the run is asked as it is now, and so is its snapshot.
	o := rlhf.Sampling{Seed: 2, MaxTokens: 12}
	var by [3][]rlhf.Choice
	for i, policy := range []string{"ppo", "snap", "lm"} {
		if by[i], err = p.BestOf(policy, heldOut, 4, o); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(by[0], by[1]) || reflect.DeepEqual(by[0], by[2]) {
		t.Errorf("best of 4 of the policy: %+v\nof its snapshot: %+v\nof what it began as: %+v", by[0], by[1], by[2])
	}

	// The policy goes on, and then it is gone, and the lab is another one.
	train(t, r, 3)
	if reflect.DeepEqual(ask(r), before) {
		t.Fatal("three steps have changed nothing: the test sees nothing")
	}
	_, err = r.Snapshot("snap")
	if err == nil || !strings.Contains(err.Error(), `the policy of PPO run "ppo" at step 3 already, and this is the policy of PPO run "ppo" at step 6`) {
		t.Errorf("another step under the same name: %v", err)
	}
	if _, err = r.Snapshot("lm"); err == nil || !strings.Contains(err.Error(), "is no snapshot") {
		t.Errorf("a snapshot over a language model: %v", err)
	}
	if err := errors.Join(l.Remove("ppo"), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	t.Cleanup(func() { l.Close() })
	if snap, err = l.OpenLM("snap"); err != nil {
		t.Fatal(err)
	}
	if got := ask(snap); !reflect.DeepEqual(got, before) {
		t.Errorf("after the run's removal the snapshot answers %+v, want %+v", got, before)
	}
	serves(t, l, "snap")
}

var heldOut = []string{"\n\nHuman: What is the opposite of hot?\n\nAssistant:", "\n\nHuman: What color is the sky?\n\nAssistant:"}

// serves uses the language-model run of that name as everything that one can be.
func serves(t *testing.T, l *local.Lab, name string) {
	t.Helper()
	cfg := pmConfig
	cfg.LM = name
	p, err := l.PM("pm-on-"+name, cfg)
	if err != nil {
		t.Fatalf("as a trunk: %v", err)
	}
	train(t, p, 2)
	c, err := p.BestOf(name, heldOut, 2, rlhf.Sampling{MaxTokens: 8})
	if err != nil || len(c) != 2 {
		t.Errorf("as a policy of BestOf: %+v, %v", c, err)
	}
	again := ppoConfig()
	again.Policy, again.PM = name, "pm-on-"+name
	r, err := l.PPO("ppo-on-"+name, again)
	if err != nil {
		t.Fatalf("as an initial policy: %v", err)
	}
	if kl := train(t, r, 1)[0].Values["objective/kl"]; kl != 0 {
		t.Errorf("a policy begins %v nats from the snapshot it begins as", kl)
	}
	m, err := l.LM("lm-on-"+name, rlhf.LM{From: name, Planned: 1, Rows: 100, Size: rlhf.Tiny})
	if err != nil {
		t.Fatalf("as the start of a language model: %v", err)
	}
	train(t, m, 1)
	model, err := l.OpenModel(name)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "hf")
	if err := model.Export(folder); err != nil {
		t.Fatalf("exported: %v", err)
	}
	if exported, err := pretrained.Open(folder); err != nil || exported.Shape != model.Shape {
		t.Errorf("exported %+v, %v; want the shape %+v", exported, err, model.Shape)
	}
}

// Before its first step a policy is the language model, and so is its snapshot. One whose
// making was interrupted says so, and is finished by taking it again;
// one of another run of the same name and step is refused.
func TestSnapshotOfTheStart(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	judged(t, l)
	r, err := l.PPO("ppo", ppoConfig())
	if err != nil {
		t.Fatal(err)
	}
	snap, err := r.Snapshot("snap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.LM("moving", rlhf.LM{From: "ppo", Planned: rlhf.Untrained}); err == nil || !strings.Contains(err.Error(), "take a Snapshot") {
		t.Errorf("a language model of a PPO run: %v", err)
	}
	lm, err := l.OpenLM("lm")
	if err != nil {
		t.Fatal(err)
	}
	want, err := lm.Sample(heldOut, rlhf.Sampling{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := snap.Sample(heldOut, rlhf.Sampling{Seed: 3}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("before the first step the snapshot answers %+v, %v; the language model %+v", got, err, want)
	}
	checkpoints := filepath.Join(dir, "snap", "checkpoints")
	if err := errors.Join(l.Close(), os.RemoveAll(checkpoints), os.Mkdir(checkpoints, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Sample(heldOut, rlhf.Sampling{}); !errors.Is(err, run.ErrNoCheckpoint) || !strings.Contains(err.Error(), "making it was interrupted") {
		t.Errorf("without weights: %v", err)
	}
	if snap, err = r.Snapshot("snap"); err != nil {
		t.Fatal(err)
	}
	if got, err := snap.Sample(heldOut, rlhf.Sampling{Seed: 3}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("finished, it answers %+v, %v; want %+v", got, err, want)
	}
	train(t, lm, 1)
	if err := l.Remove("ppo"); err != nil {
		t.Fatal(err)
	}
	if r, err = l.PPO("ppo", ppoConfig()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshot("snap"); err == nil || !strings.Contains(err.Error(), "another run of that name") {
		t.Errorf("of another run of the same name and step: %v", err)
	}
}
