package local_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/run"
)

// loadedNow are the runs in memory, the one used last at the end.
func loadedNow(t *testing.T, l rlhf.Lab) []string {
	t.Helper()
	var names []string
	for _, m := range status(t, l).Models {
		names = append(names, m.Name)
	}
	return names
}

// A lab that keeps nothing puts a run away when another is used, between the phases of a
// step too, and everything comes out as in a lab that keeps all, bit for bit.
func TestIdleRunsArePutAway(t *testing.T) {
	dirs := map[string]string{}
	for name, c := range map[string]struct {
		keep  int64
		whole []string // what is loaded at the end
	}{
		"keeps": {0, []string{"lm", "ppo", "pm"}},
		"none":  {-1, []string{"pm"}},
	} {
		dirs[name] = t.TempDir()
		l := openWith(t, local.Options{Dir: dirs[name], Keep: c.keep})
		m, err := l.LM("lm", lmConfig)
		if err != nil {
			t.Fatal(err)
		}
		train(t, m, 3)
		p, err := l.PM("pm", pmConfig)
		if err != nil {
			t.Fatal(err)
		}
		train(t, p, 3)
		train(t, m, 3) // the preference model began with what it was
		r, err := l.PPO("ppo", ppoConfig())
		if err != nil {
			t.Fatal(err)
		}
		train(t, r, 1)
		between := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Score([]rlhf.Transcript{{Prompt: "a", Response: "b"}}); err != nil {
				t.Fatal(err)
			}
			if got := loadedNow(t, l); !slices.Equal(got, c.whole) {
				t.Fatalf("%s: loaded %v, want %v", name, got, c.whole)
			}
		}
		b, err := r.Rollout()
		between(err)
		between(r.Score(b))
		between(r.Shape(b))
		between(r.Advantages(b))
		_, err = r.Update(b)
		between(err)
		train(t, r, 1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lm", "pm", "ppo"} {
		same(t, dirs["keeps"], dirs["none"], name)
	}
}

// Of runs that are too many, those used longest ago go, and no more than need be.
func TestTheOldestGoes(t *testing.T) {
	dir := t.TempDir()
	run := func(l *local.Lab, name string) rlhf.LMRun {
		r, err := l.LM(name, lmConfig)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	l := open(t, dir)
	train(t, run(l, "a"), 1)
	size := status(t, l).DeviceBytes
	l.Close()

	l = openWith(t, local.Options{Dir: dir, Keep: 2 * (size + local.RunBytes)})
	for _, c := range []struct {
		use  string
		want []string
	}{
		{"a", []string{"a"}},
		{"b", []string{"a", "b"}},
		{"a", []string{"b", "a"}},
		{"c", []string{"b", "a", "c"}}, // what is in use does not count
		{"c", []string{"b", "a", "c"}},
		{"d", []string{"a", "c", "d"}},
		{"b", []string{"c", "d", "b"}},
	} {
		if train(t, run(l, c.use), 1); !slices.Equal(loadedNow(t, l), c.want) {
			t.Fatalf("after %s: loaded %v, want %v", c.use, loadedNow(t, l), c.want)
		}
	}
}

// A run that needs more than is free has the others put away before it is refused.
func TestRoomForALargeRun(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	m, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, m, 1)
	p, err := l.PM("pm", pmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, p, 1)
	cfg := ppoConfig()
	r, err := l.PPO("ppo", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := loadedNow(t, l); !slices.Equal(got, []string{"lm", "pm"}) {
		t.Fatalf("loaded %v", got)
	}
	path := filepath.Join(dir, "ppo", "facts.json")
	var facts map[string]any
	there, err := run.ReadJSON(path, &facts)
	if !there || err != nil {
		t.Fatal(there, err)
	}
	facts["memory"].([]any)[0].(map[string]any)["bytes"] = 1 << 60
	if err := run.WriteJSON(path, facts); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rollout(); !errors.Is(err, memory.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if got := loadedNow(t, l); len(got) > 0 {
		t.Errorf("refused with %v in memory", got)
	}
	train(t, m, 1)
}
