package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/bench"
	"hhrlhf/rlhf/internal/gx"
)

func TestSummarize(t *testing.T) {
	samples := []bench.Sample{
		{Wall: 2, CPU: 4, Others: 0},    // clean
		{Wall: 10, CPU: 4.2, Others: 9}, // beside another process
		{Wall: 4, CPU: 3.8, Others: .2}, // clean: a twentieth of a core
	}
	got := bench.Summarize(samples)
	want := bench.Stats{Seconds: 3, Clean: 2, N: 3, Min: 2, Median: 4, Max: 10, CPU: 4, Others: .05}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// Without a clean sample the least disturbed one is the figure, and Clean says so.
	got = bench.Summarize([]bench.Sample{{Wall: 3, Others: 3}, {Wall: 2, Others: 1}})
	if got.Seconds != 2 || got.Clean != 0 {
		t.Errorf("none clean: %+v", got)
	}
}

func backend(t *testing.T) string {
	t.Helper()
	spec, err := gx.TestSpec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestTiers(t *testing.T) {
	spec := backend(t)
	tier, err := bench.Named("T")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	o := bench.Options{Clean: 1, Most: 2, Report: func(phase string, n, most int, _ bench.Sample) { calls++ }}
	train, err := bench.LM(t.Context(), spec, tier, o)
	if err != nil {
		t.Fatal(err)
	}
	gen, err := bench.Sampling(t.Context(), spec, tier, o)
	if err != nil {
		t.Fatal(err)
	}
	preferences, err := bench.PM(t.Context(), spec, tier, o)
	if err != nil {
		t.Fatal(err)
	}
	rl, err := bench.PPO(t.Context(), spec, tier, "own", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bench.PPO(t.Context(), spec, tier, "borrowed", o); err == nil || !strings.Contains(err.Error(), "borrowed") {
		t.Errorf("an unknown value function: %v", err)
	}
	for phase, r := range map[string]*bench.Result{bench.Step: train, bench.Generate: gen,
		bench.Rollout: rl, bench.Score: rl, bench.Update: rl, bench.Iteration: rl,
		bench.PMStep: preferences, bench.PMStepUnshared: preferences, bench.PMScore: preferences} {
		st := r.Phases[phase+"_s"]
		// A phase's compiling is its first call less a later one, which a busy machine can make the slower of the two.
		if compile, ok := r.Compile[phase]; !ok || compile < 0 || r.CompileTotal <= 0 {
			t.Errorf("%s: compiling %v s of %v in all", phase, compile, r.CompileTotal)
		}
		if st.N < 1 || st.N > 2 || st.Min <= 0 || st.CPU < 0 || r.TokensPerS[phase] <= 0 || r.PeakRSS <= 0 || r.Params <= 0 {
			t.Errorf("%s: %+v", phase, r)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var seen struct {
			Peer, Tier string
			Phases     map[string]map[string]float64
		}
		if err := json.Unmarshal(b, &seen); err != nil || seen.Tier != "T" || seen.Phases[phase+"_s"]["s"] <= 0 {
			t.Errorf("%s, %v", b, err)
		}
	}
	if calls < 2 {
		t.Errorf("%d reports", calls)
	}
	if _, err := bench.Named("XL"); err == nil {
		t.Error("an unknown tier is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.LM(ctx, spec, tier, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
