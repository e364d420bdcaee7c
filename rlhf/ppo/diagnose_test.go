package ppo_test

import (
	"slices"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/tokenizer"
)

// one pays for every token that is the letter a, without end: a reward that asks to be
// hacked.
func one(response []int32) float32 {
	n := 0
	for _, id := range response {
		if id == 'a' {
			n++
		}
	}
	return float32(n)
}

// ends pays for a response that ends itself, whatever it says.
func ends(response []int32) float32 {
	if n := len(response); n > 0 && response[n-1] == tokenizer.Bytes().EOS() {
		return 1
	}
	return 0
}

// A mistake that is made on purpose in a real run is named by its history alone, and the
// run that differs from it in nothing else is not called so.
func TestDiagnoseNamesPlantedMistakes(t *testing.T) {
	be := gx.TestBackend(t)
	clean := config()
	clean.KLCoef, clean.LearningRate, clean.Planned = 0.1, 3e-3, 48
	clean.Filled()
	free := clean
	free.KLCoef = 0
	plant := func(what string) rlhf.PPO {
		cfg := clean
		cfg.Plant = what
		return cfg
	}
	diagnose := func(cfg rlhf.PPO, score reward) []string {
		tr := trainer(t, be, cfg, score)
		var points []rlhf.Point
		for range cfg.Planned {
			_, p := step(t, tr)
			points = append(points, p)
		}
		var names []string
		for _, f := range rlhf.Diagnose(points) {
			t.Logf("%q: %v %s: %s", cfg.Plant, f.Severity, f.Name, f.Saw)
			if f.Severity >= rlhf.Warning {
				names = append(names, f.Name)
			}
		}
		return names
	}
	twins := map[string][]string{}
	for _, c := range []struct {
		cfg    rlhf.PPO
		reward string
		want   string
	}{
		{plant(rlhf.PlantTopK), "even", "truncated-sampling"},
		{plant(rlhf.PlantTemperature), "even", "logprob-mismatch"},
		{plant(rlhf.PlantWrongSign), "even", "kl-wrong-sign"},
		{plant(rlhf.PlantCriticOff), "even", "value-never-fits"},
		{plant(rlhf.PlantPadIsEOS), "ends", "eos-never"},
		{free, "one", "kl-runaway"},
	} {
		score := map[string]reward{"even": even, "ends": ends, "one": one}[c.reward]
		if got := diagnose(c.cfg, score); !slices.Contains(got, c.want) {
			t.Errorf("Plant = %q, KLCoef = %g: %v, want %s", c.cfg.Plant, c.cfg.KLCoef, got, c.want)
		}
		twin, ok := twins[c.reward]
		if !ok {
			cfg := clean
			if c.reward == "one" {
				cfg.KLCoef = 1
			}
			twin = diagnose(cfg, score)
			twins[c.reward] = twin
		}
		if slices.Contains(twin, c.want) {
			t.Errorf("the twin of Plant = %q, KLCoef = %g is called %s too", c.cfg.Plant, c.cfg.KLCoef, c.want)
		}
	}
}

// Every metric that a run records is explained.
func TestMetricsAreInTheGlossary(t *testing.T) {
	be := gx.TestBackend(t)
	_, p := step(t, trainer(t, be, config(), even))
	for name := range p.Values {
		if _, ok := rlhf.Define(name); !ok {
			t.Errorf("the glossary does not have %s", name)
		}
	}
	if len(p.Values) < 30 {
		t.Errorf("%d metrics: the test sees too little", len(p.Values))
	}
}
