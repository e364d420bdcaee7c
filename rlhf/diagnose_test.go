package rlhf_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

// An art is what a synthetic history is drawn from: the true course of each metric
// over the run's progress u from 0 to 1, and the noise that a batch of B responses
// adds. The zero art is a healthy run.
type art struct {
	steps, batch int
	truth        map[string]func(u float64) float64
	noise        map[string]float64 // standard deviation of one response (or of the metric itself)
}

func constant(v float64) func(float64) float64 { return func(float64) float64 { return v } }
func line(a, b float64) func(float64) float64  { return func(u float64) float64 { return a + (b-a)*u } }
func rise(a, b float64) func(float64) float64 { // fast at first
	return func(u float64) float64 { return b + (a-b)*math.Exp(-4*u) }
}

// healthy is modelled on the tour's first sixty steps.
func healthy(steps, batch int) art {
	root := math.Sqrt(float64(batch))
	return art{steps: steps, batch: batch,
		truth: map[string]func(float64) float64{
			"objective/score": rise(-0.5, 1.9), "objective/score_std": rise(2.8, 1.3), "objective/score_test": rise(-0.4, 1.6),
			"objective/kl": line(0, 4.5), "objective/kl_exact": line(0, 4.5), "objective/kl_k3": line(0, 4.4), "objective/kl_per_token": line(0, 0.3), "objective/kl_coef": constant(0.05),
			"objective/non_score_reward": line(0, -0.225), "objective/sampler_gap": constant(3e-6),
			"objective/gold_helpful": rise(0, 0.35), "objective/gold_harmless": rise(0.35, 0.95),
			"policy/entropy": line(0.45, 0.19), "policy/nll": line(0.45, 0.19), "policy/approx_kl": constant(0.002), "policy/clipfrac": constant(0.01), "policy/ratio_max": constant(2),
			"policy/ratio_start": constant(0), "lr": func(u float64) float64 { return 5e-4 * math.Min(1, 0.1+10*u) * (1 - 0.9*u) },
			"response/length_mean": rise(10, 12), "response/eos_rate": constant(0.98), "response/distinct": line(0.95, 0.7),
			"value/explained_var": rise(0.1, 0.8), "value/mean": rise(-0.7, 1.8), "returns/mean": rise(-0.5, 1.8), "returns/std": rise(2.5, 1.2),
		},
		noise: map[string]float64{
			"objective/score": 2 / root, "objective/score_test": 2 / root, "objective/score_std": 1.4 / root,
			"objective/kl": 3 / root, "objective/kl_k3": 8 / root, "objective/kl_exact": 1 / root, "objective/kl_per_token": 0.2 / root,
			"objective/non_score_reward": 0.15 / root, "objective/gold_helpful": 0.7 / root, "objective/gold_harmless": 0.5 / root,
			"policy/entropy": 0.15 / root, "policy/nll": 0.3 / root, "value/mean": 1 / root, "returns/mean": 1.8 / root, "returns/std": 0.8 / root, "policy/approx_kl": 0.001, "policy/clipfrac": 0.005, "policy/ratio_max": 1,
			"response/length_mean": 4 / root, "response/eos_rate": 0.14 / root, "response/distinct": 0.3 / root, "value/explained_var": 0.15,
		},
	}
}

// with returns the art with one course replaced.
func (a art) with(name string, f func(u float64) float64) art {
	a.truth, a.noise = mapped(a.truth), mapped(a.noise)
	a.truth[name] = f
	return a
}

func (a art) noisy(name string, sd float64) art {
	a.truth, a.noise = mapped(a.truth), mapped(a.noise)
	a.noise[name] = sd
	return a
}

func (a art) without(names ...string) art {
	a.truth, a.noise = mapped(a.truth), mapped(a.noise)
	for _, n := range names {
		delete(a.truth, n)
	}
	return a
}

func mapped[V any](m map[string]V) map[string]V {
	out := map[string]V{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// draw draws a history. Noise has heavy tails (Student's t with 5 degrees of freedom)
// and a memory of one step, as a policy has. Shares and spreads stay in range, and the
// first step has KL 0 exactly.
func (a art) draw(seed uint64) []rlhf.Point {
	rng := rand.New(rand.NewPCG(seed, 11))
	names := make([]string, 0, len(a.truth))
	for n := range a.truth {
		names = append(names, n)
	}
	slices.Sort(names)
	before := map[string]float64{}
	var points []rlhf.Point
	for i := range a.steps {
		u := float64(i) / float64(max(a.steps-1, 1))
		p := rlhf.Point{Step: i + 1, Values: map[string]float64{}}
		for _, n := range names {
			chi := 0.0
			for range 5 {
				z := rng.NormFloat64()
				chi += z * z
			}
			e := rng.NormFloat64() / math.Sqrt(chi/5) * math.Sqrt(3.0/5)
			e = 0.2*before[n] + math.Sqrt(1-0.04)*e
			before[n] = e
			sd := a.noise[n]
			if strings.HasPrefix(n, "objective/kl") { // nothing to scatter where the policies are equal
				sd *= math.Sqrt(math.Min(1, math.Abs(a.truth[n](u))/math.Max(1e-9, math.Abs(a.truth[n](1)))))
			}
			v := a.truth[n](u) + sd*e
			switch n {
			case "response/eos_rate", "response/distinct":
				v = math.Min(1, math.Max(0, v))
			case "objective/score_std", "policy/entropy", "policy/approx_kl", "policy/clipfrac", "objective/kl_k3", "objective/kl_exact":
				v = math.Max(0, v)
			}
			p.Values[n] = v
		}
		points = append(points, p)
	}
	return points
}

// named returns the names of the findings of at least this severity.
func named(fs []rlhf.Finding, least rlhf.Severity) []string {
	var names []string
	for _, f := range fs {
		if f.Severity >= least {
			names = append(names, f.Name)
		}
	}
	return names
}

const seeds = 40

// Healthy histories of every length and batch raise no warning, and neither do healthy
// ones that lack metrics or that learn slowly.
func TestHealthyRunsRaiseNoWarning(t *testing.T) {
	for _, steps := range []int{1, 3, 8, 12, 20, 30, 60, 220, 1000} {
		for _, batch := range []int{16, 64, 256} {
			plain := healthy(steps, batch)
			arts := map[string]art{
				"plain":    plain,
				"no gold":  plain.without("objective/gold_helpful", "objective/gold_harmless", "objective/kl_exact"),
				"old":      plain.without("objective/score_test", "objective/non_score_reward", "objective/sampler_gap", "response/distinct", "objective/kl_per_token", "objective/kl_exact"),
				"no KL":    plain.with("objective/kl", line(0, 0.3)).with("objective/kl_exact", line(0, 0.3)).with("objective/kl_k3", line(0, 0.3)),
				"longer":   plain.with("response/length_mean", rise(10, 15)),
				"at once":  plain.with("objective/score", func(u float64) float64 { return 1.9 - 2.4*math.Exp(-30*u) }),
				"concise":  plain.with("response/length_mean", rise(13, 10)).with("policy/entropy", rise(0.45, 0.1)).with("policy/nll", rise(0.45, 0.1)),
				"refusing": plain.with("response/distinct", rise(0.9, 0.45)).with("objective/gold_helpful", line(0.3, 0.1)),
			}
			for name, a := range arts {
				n := seeds / 2
				if steps == 1000 {
					n = 20
				}
				for seed := range n {
					if fs := rlhf.Diagnose(a.draw(uint64(seed))); len(named(fs, rlhf.Warning)) > 0 {
						t.Errorf("%s, %d steps, batch %d, seed %d: %+v", name, steps, batch, seed, fs[0])
					}
				}
			}
		}
	}
}

// Each planted failure is named, in nearly every draw, at the severity it deserves; its
// metrics are among those that the history has, and its steps within it.
func TestPlantedFailures(t *testing.T) {
	const steps, batch = 60, 64
	good := healthy(steps, batch)
	late := func(a, b float64) func(float64) float64 { // a, and in the second half on to b
		return func(u float64) float64 { return a + (b-a)*math.Max(0, 2*u-1) }
	}
	for _, c := range []struct {
		name     string
		severity rlhf.Severity
		art      art
	}{
		{"ratio-not-one", rlhf.Failure, good.with("policy/ratio_start", constant(0.02))},
		{"logprob-mismatch", rlhf.Failure, good.with("objective/sampler_gap", constant(1.4))},
		{"logprob-mismatch", rlhf.Failure, good.with("objective/sampler_gap", constant(0.7)).with("objective/kl", line(-1, -3))},
		{"truncated-sampling", rlhf.Failure, good.with("policy/nll", line(0.33, 0.12))},
		{"truncated-sampling", rlhf.Failure, good.with("objective/kl", line(0, 6)).with("objective/kl_exact", line(0, 4))},
		{"truncated-sampling", rlhf.Failure, good.with("objective/kl", line(0, -2)).with("objective/kl_k3", line(0, 9)).without("objective/kl_exact")},
		{"truncated-sampling", rlhf.Failure, good.with("objective/kl", line(0, -2)).with("objective/kl_k3", line(0, 9)).without("objective/kl_exact", "objective/sampler_gap")},
		{"kl-wrong-sign", rlhf.Failure, good.with("objective/non_score_reward", line(0, 0.3))},
		{"kl-negative", rlhf.Failure, good.with("objective/kl", line(0, -2)).with("objective/kl_k3", line(0, 3)).without("objective/kl_exact")},
		{"kl-noise", rlhf.Note, good.with("objective/kl", line(0, 0.1)).with("objective/kl_exact", line(0, 0.1)).noisy("objective/kl", 0.3)},
		{"collapse", rlhf.Failure, good.with("response/distinct", line(0.9, 0.03)).noisy("response/distinct", 0.01)},
		{"collapse", rlhf.Failure, good.with("policy/entropy", rise(0.5, 0)).with("objective/score_std", rise(2.8, 0.05)).noisy("objective/score_std", 0.05).noisy("policy/entropy", 0.005).without("response/distinct")},
		{"kl-runaway", rlhf.Failure, good.with("objective/kl", line(0, 90)).with("objective/kl_exact", line(0, 90))},
		{"kl-runaway", rlhf.Failure, good.with("objective/kl_per_token", line(0, 2.4))},
		{"kl-runaway", rlhf.Warning, good.with("objective/kl", line(0, 18)).with("objective/kl_exact", line(0, 18)).without("objective/kl_per_token")},
		{"update-too-large", rlhf.Warning, good.with("policy/clipfrac", constant(0.4))},
		{"update-too-large", rlhf.Warning, good.with("policy/approx_kl", constant(0.08))},
		{"reward-flat-kl-grows", rlhf.Warning, good.with("objective/score", constant(-0.5))},
		{"reward-flat-kl-still", rlhf.Warning, good.with("objective/score", constant(-0.5)).with("objective/kl", constant(1e-4)).with("objective/kl_exact", constant(1e-4)).noisy("objective/kl", 1e-3)},
		{"reward-flat-kl-grows", rlhf.Warning, good.with("objective/score", constant(0.2)).noisy("objective/score", 0).with("objective/score_std", constant(0)).noisy("objective/score_std", 0)},
		{"reward-falls", rlhf.Warning, good.with("objective/score", rise(-0.5, -3))},
		{"reward-falls", rlhf.Warning, good.with("objective/score", func(u float64) float64 { return -0.5 + 8*u*(1-u) })},
		{"over-optimised", rlhf.Warning, good.with("objective/gold_helpful", late(0.35, -0.6))},
		{"pm-gap", rlhf.Warning, good.with("objective/score_test", late(-0.4, -0.8))},
		{"pm-gap", rlhf.Warning, good.with("objective/score_test", constant(-0.4))},
		{"length-hacking", rlhf.Warning, good.with("response/length_mean", rise(10, 22)).without("objective/gold_helpful", "objective/gold_harmless")},
		{"length-hacking", rlhf.Warning, good.with("response/length_mean", rise(10, 22)).with("objective/gold_helpful", line(0.3, -0.3)).with("objective/gold_harmless", constant(0.5))},
		{"length-drift", rlhf.Note, good.with("response/length_mean", rise(10, 22))},
		{"eos-lost", rlhf.Failure, good.with("response/eos_rate", line(0.98, 0.2))},
		{"eos-lost", rlhf.Warning, good.with("response/eos_rate", line(0.98, 0.7))},
		{"eos-never", rlhf.Failure, good.with("response/eos_rate", constant(0)).noisy("response/eos_rate", 0)},
		{"eos-never", rlhf.Warning, good.with("response/eos_rate", constant(0.2))},
		{"value-never-fits", rlhf.Warning, good.with("value/explained_var", constant(0)).noisy("value/explained_var", 0.05)},
		{"value-never-fits", rlhf.Warning, good.with("value/explained_var", constant(-0.6))},
		{"value-never-fits", rlhf.Warning, good.with("value/explained_var", constant(0.25)).with("value/mean", rise(-0.7, 0.3))},
	} {
		missed := 0
		for seed := range seeds {
			fs := rlhf.Diagnose(c.art.draw(uint64(seed)))
			i := slices.IndexFunc(fs, func(f rlhf.Finding) bool { return f.Name == c.name && f.Severity == c.severity })
			if i < 0 {
				missed++
				if missed == 1 {
					t.Logf("%s missed at seed %d: %v", c.name, seed, named(fs, rlhf.Note))
				}
				continue
			}
			f := fs[i]
			if f.From < 1 || f.To > steps || f.From > f.To || len(f.Metrics) == 0 || len(f.Try) == 0 {
				t.Fatalf("%s: incomplete: %+v", c.name, f)
			}
			if seed == 0 {
				t.Log(f.Name, "|", f.Saw)
			}
		}
		if missed > seeds/20 {
			t.Errorf("%s (%v): missed in %d of %d histories", c.name, c.severity, missed, seeds)
		}
	}
}

// recorded returns the history of the tour's PPO run: 220 steps at the default size.
func recorded(t *testing.T) []rlhf.Point {
	t.Helper()
	f, err := os.Open("testdata/tour.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var points []rlhf.Point
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var p rlhf.Point
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
	}
	return points
}

// A real run: in order for its first sixty steps, and then it finds answers that the
// preference model likes and the true labeller does not.
func TestRecordedRun(t *testing.T) {
	points := recorded(t)
	for _, n := range []int{1, 12, 20, 30, 40, 50, 60} {
		if fs := rlhf.Diagnose(points[:n]); len(named(fs, rlhf.Warning)) > 0 {
			t.Errorf("the first %d steps: %+v", n, fs[0])
		}
	}
	all := rlhf.Diagnose(points)
	for _, f := range all {
		t.Log(f.Severity, f.Name, f.Saw)
	}
	if names := named(all, rlhf.Warning); !slices.Contains(names, "over-optimised") {
		t.Errorf("the whole run: %v, want over-optimised", names)
	}
}

func TestDiagnoseIsCautious(t *testing.T) {
	nan := math.NaN()
	for name, points := range map[string][]rlhf.Point{
		"nothing":    nil,
		"no metrics": {{Step: 1}, {Step: 2}},
		"not finite": {{Step: 1, Values: map[string]float64{"objective/kl": nan, "policy/ratio_start": math.Inf(1)}}},
		"an lm run":  {{Step: 1, Values: map[string]float64{"lm/loss": 3}}},
	} {
		if fs := rlhf.Diagnose(points); len(fs) != 0 {
			t.Errorf("%s: %+v", name, fs)
		}
	}
	// The order of the points is not that of the steps, and the caller's stays.
	points := healthy(60, 64).with("objective/kl_per_token", line(0, 2.4)).draw(1)
	want := rlhf.Diagnose(points)
	turned := slices.Clone(points)
	slices.Reverse(turned)
	if got := rlhf.Diagnose(turned); !reflect.DeepEqual(got, want) || turned[0].Step != 60 {
		t.Errorf("points in another order: %+v, want %+v", got, want)
	}
	for i := 1; i < len(want); i++ {
		if want[i].Severity > want[i-1].Severity {
			t.Errorf("findings are not in the order of severity: %v", named(want, rlhf.Note))
		}
	}
}

func TestFindingJSON(t *testing.T) {
	f := rlhf.Finding{Name: "x", Severity: rlhf.Failure, Saw: "s", Try: []string{"t"}, Metrics: []string{"m"}, From: 1, To: 2}
	raw, err := json.Marshal(f)
	if err != nil || !strings.Contains(string(raw), `"severity":"failure"`) {
		t.Fatalf("%s, %v", raw, err)
	}
	var back rlhf.Finding
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(f, back) {
		t.Errorf("came back as %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"grave"}`), &back); err == nil || !strings.Contains(err.Error(), `"grave"`) {
		t.Errorf("error %v", err)
	}
	if s := fmt.Sprint(rlhf.Severity(7)); s != "Severity(7)" {
		t.Errorf("an unknown severity is %q", s)
	}
}

// What a finding tells the reader to look at and to set exists.
func TestFindingsNameWhatExists(t *testing.T) {
	fields := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[rlhf.PPO]()) {
		fields[f.Name] = true
	}
	camel := regexp.MustCompile(`\b[A-Z]+[a-z]+[A-Z]\w*\b|\bKL[A-Z][a-z]+\b`)
	src, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range src {
		if !strings.HasPrefix(e.Name(), "diagnose_") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		raw, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"").FindAllString(string(raw), -1) {
			for _, name := range camel.FindAllString(s, -1) {
				seen++
				if !fields[name] {
					t.Errorf("%s names %s in %s, which rlhf.PPO has not", e.Name(), name, s)
				}
			}
			if m := strings.Trim(s, `"`); regexp.MustCompile(`^(objective|policy|response|value|loss|returns)/\w+$`).MatchString(m) {
				seen++
				if _, ok := rlhf.Define(m); !ok {
					t.Errorf("%s looks at %s, which the glossary does not have", e.Name(), m)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d names found: the test sees nothing", seen)
	}
}
