package eval_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

func passAtK(t *testing.T, n, c, k int) float64 {
	t.Helper()
	v, err := eval.PassAtK(n, c, k)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGoldenPassAtK(t *testing.T) {
	g := rltest.Golden(t, "pass_at_k")
	want := rltest.Get[[][]*float64](t, g.Out, "pass_at_k") // null where k > n
	// worst is the largest distance from the golden table, for samples of which more passed.
	worst := func(more int) (d float64) {
		n, c, ks := rltest.Get[[]int](t, g.In, "n"), rltest.Get[[]int](t, g.In, "c"), rltest.Get[[]int](t, g.In, "k")
		var problems []eval.Attempts
		for i := range n {
			problems = append(problems, eval.Attempts{N: n[i], Passed: min(n[i], c[i]+more)})
			for j, k := range ks {
				v, err := eval.PassAtK(n[i], min(n[i], c[i]+more), k)
				if (err != nil) != (want[i][j] == nil) {
					t.Fatalf("pass@%d of %d samples: %v, %v", k, n[i], v, err)
				}
				if err == nil {
					d = max(d, math.Abs(v-*want[i][j]))
				}
			}
		}
		mean, err := eval.MeanPassAtK(problems, 1)
		if err != nil {
			t.Fatal(err)
		}
		return max(d, math.Abs(mean.Value-rltest.Get[float64](t, g.Out, "mean_pass_at_1")))
	}
	if d := worst(0); d > g.Tol {
		t.Errorf("%g away from the golden numbers, want at most %g", d, g.Tol)
	}
	if mistake := worst(1); mistake < 1e3*g.Tol {
		t.Errorf("one more passed moves nothing: %g", mistake)
	}
}

// The product is the ratio of binomials, in exact arithmetic.
func TestPassAtKExactly(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for c := 0; c <= n; c++ {
			for k := 1; k <= n; k++ {
				ratio := new(big.Rat).SetFrac(new(big.Int).Binomial(int64(n-c), int64(k)), new(big.Int).Binomial(int64(n), int64(k)))
				want, _ := new(big.Rat).Sub(big.NewRat(1, 1), ratio).Float64()
				if got := passAtK(t, n, c, k); math.Abs(got-want) > 1e-12 {
					t.Fatalf("pass@%d of %d in %d: %v, want %v", k, c, n, got, want)
				}
			}
		}
	}
	// Binomials of these would be beyond float64.
	if got := passAtK(t, 100_000, 3, 50_000); math.Abs(got-0.875) > 1e-4 {
		t.Errorf("three of 100,000, half of them drawn: %v, want about 1 − 1/8", got)
	}
}

// The usual mistake, 1 − (1 − c/n)^k, is too low on average; the estimate is not.
func TestPassAtKUnbiased(t *testing.T) {
	const p, n, k = 0.2, 10, 5
	truth := 1 - math.Pow(1-p, k)
	var mean, mistake float64
	for c := 0; c <= n; c++ { // over all outcomes, by their probabilities
		chance := float64(new(big.Int).Binomial(n, int64(c)).Int64()) * math.Pow(p, float64(c)) * math.Pow(1-p, float64(n-c))
		mean += chance * passAtK(t, n, c, k)
		mistake += chance * (1 - math.Pow(1-float64(c)/n, k))
	}
	if math.Abs(mean-truth) > 1e-12 {
		t.Errorf("mean %v, want %v", mean, truth)
	}
	if mistake > truth-0.02 {
		t.Errorf("the mistake has the mean %v, want clearly less than %v: it tells nothing apart", mistake, truth)
	}
}

func TestPassAtKRefuses(t *testing.T) {
	for _, c := range [][3]int{{5, 1, 0}, {5, 1, 6}, {5, 6, 1}, {5, -1, 1}, {0, 0, 1}} {
		if v, err := eval.PassAtK(c[0], c[1], c[2]); err == nil {
			t.Errorf("%v: %v, want an error", c, v)
		}
	}
	if _, err := eval.MeanPassAtK(nil, 1); err == nil {
		t.Error("no problems, no error")
	}
	if _, _, err := eval.BestPassAtK(nil, 1); err == nil {
		t.Error("no settings, no error")
	}
}

// The interval is over problems: a hundred samples of each of four problems do not make it narrow.
func TestPassAtKInterval(t *testing.T) {
	few := []eval.Attempts{{N: 100, Passed: 100}, {N: 100, Passed: 0}, {N: 100, Passed: 100}, {N: 100, Passed: 0}}
	v, err := eval.MeanPassAtK(few, 1)
	if err != nil {
		t.Fatal(err)
	}
	low, high := eval.WilsonInterval(200, 400, eval.Z95) // as if the 400 samples were independent
	if v.Value != 0.5 || v.High-v.Low < 5*(high-low) {
		t.Errorf("%+v; over samples it would be %v to %v", v, low, high)
	}
	best, at, err := eval.BestPassAtK([]eval.Setting{{Samples: 100, Passed: []int{100, 0, 100, 0}}, {Temperature: 1, TopP: 1, Samples: 4, Passed: []int{3}}}, 1)
	if err != nil || at != 1 || best.Value != 0.75 {
		t.Errorf("%+v at %d, %v", best, at, err)
	}
}

// Prompts are asked in each setting as often as it says, greedily once, and every answer is judged by its own prompt.
func TestPassEach(t *testing.T) {
	asked := map[rlhf.Sampling]int{}
	settings := eval.Settings()
	if len(settings) != 10 {
		t.Fatalf("%d settings, want figure 21's ten", len(settings))
	}
	prompts := make([]string, 300)
	for i := range prompts {
		prompts[i] = fmt.Sprint(i)
	}
	out, err := eval.PassEach(settings, prompts, 4, 9, 7, func(ps []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
		if len(ps) > eval.PassBatch || o.MaxTokens != 9 {
			t.Errorf("%d prompts at once, %d tokens", len(ps), o.MaxTokens)
		}
		o.Seed, o.MaxTokens = 0, 0
		asked[o] += len(ps)
		answers := make([]rlhf.Sample, len(ps))
		for i, p := range ps {
			answers[i] = rlhf.Sample{Prompt: p, Response: p}
		}
		return answers, nil
	}, func(i int, prompt, response string) (bool, error) {
		if prompt != prompts[i] || response != prompt {
			t.Fatalf("question %d: %q, %q", i, prompt, response)
		}
		return i%2 == 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out {
		if s.Samples != 4 || len(s.Passed) != 300 || s.Passed[0] != 4 || s.Passed[1] != 0 || s.Passed[298] != 4 {
			t.Errorf("%g %g: %d samples, %v", s.Temperature, s.TopP, s.Samples, s.Passed[:4])
		}
	}
	if n := asked[rlhf.Sampling{Temperature: -1}]; n != 300 {
		t.Errorf("greedy: %d answers, want one a prompt, for both values of top-p", n)
	}
	if n := asked[rlhf.Sampling{Temperature: 0.4, TopP: 0.95}]; n != 1200 || len(asked) != 9 {
		t.Errorf("%d answers at 0.4, in %d settings", n, len(asked))
	}
	if settings[0].Passed != nil {
		t.Error("the settings given were written to")
	}
	broken := errors.New("broken")
	if _, err := eval.PassEach(settings, prompts, 1, 1, 1, func([]string, rlhf.Sampling) ([]rlhf.Sample, error) { return nil, broken }, nil); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
