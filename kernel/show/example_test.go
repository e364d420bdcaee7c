package show_test

import (
	"fmt"
	"time"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Outside a notebook the pictures are text.
func ExampleTrain() {
	show.Train(newRun("lm", 450, 450, false))
	// Output:
	// tour-lm · step 450 of 450 · trained already · 2.5 s/step · loss 1.456 nats/token
	// tour-lm (lm), steps 1 to 450
	// metric   first  last   lowest  highest  unit
	// lm/loss  6.52   1.456  1.236   6.52     nats per token
}

// One response, token by token, before its advantages are known.
func ExampleLedger() {
	show.Ledger(batch(2), 0)
	// Output:
	// tour-ppo, step 1, row 0
	// t  token    log π                       log π₀         kₜ              rₜ                    V      A               R                  mask
	//             log π(aₜ|sₜ), scoring pass  log π₀(aₜ|sₜ)  log π − log π₀  −λ·kₜ + [last]·score  V(sₜ)  GAE of r and V  A + V, unwhitened  counts
	// 0  ␣It      -0.310                      -0.400         0.090           -0.005                0.100  —               —                  1
	// 1  ␣is      -0.120                      -0.100         -0.020          0.001                 0.150  —               —                  1
	// 2  ␣7       -1.204                      -2.100         0.896           -0.045                0.200  —               —                  1
	// 3  .        -0.050                      -0.050         0.000           0.000                 0.500  —               —                  1
	// 4  <end>    -0.020                      -0.030         0.010           0.839                 0.700  —               —                  1
	// 5  padding  0.000                       0.000          0.000           0.000                 0.000  —               —                  0
	// 6  padding  0.000                       0.000          0.000           0.000                 0.000  —               —                  0
	// Human: What is 3 + 4?
	// 5 tokens · ended by the policy · score 0.84 · Σ kₜ = 0.976 nats · truth: helpful 1, harmless 0.5 (right) · padding not listed: 1
}

func ExampleSamples() {
	show.Samples(batch(2), 2)
	// Output:
	// tour-ppo, step 1: 2 of 2 samples
	// prompt                 response  tokens  ended    score  KL, nats  helpful  harmless  verdict
	// Human: What is 3 + 4?  It is 7.  5       yes      0.84   0.976     1        0.5       right
	// Human: Name a fruit.   An apple  2       cut off  -0.2   0         0.3      0         vague
}

func ExampleCompare() {
	show.Compare(beforeAfter(), 2)
	// Output:
	// Before and after 150 steps, 128 prompts
	//          before        after        change          in initial s.d.
	// score    -0.31 ± 0.08  0.88 ± 0.05  +1.19 ± 0.0943  +1.293
	// kl       0 ± 0         11.2 ± 0.35  +11.2 ± 0.35    —
	// helpful  -0.08 ± 0.06  0.45 ± 0.05  +0.53 ± 0.0781  +0.757
	// Means ± standard error of the mean. The last column divides the change by the spread of the initial policy's samples.
	// The same prompts, answered by the initial and the trained policy
	// prompt                    before                                        score  after                     score  KL, nats
	// Human: What is 3 + 4?     It is 7. (right)                              0.41   The answer is 0. (right)  0.854  0.5
	// Human: Name a red fruit.  An apple is red, and so is a cherry. (right)  0.185  The answer is 1. (right)  1.085  0.5
}

func ExamplePMEval() {
	show.PMEval(pmEval())
	show.PMTable(pmEval())
	// Output:
	// pairs ranked right  share  95 % interval   pairs
	// all                 0.742  0.714 to 0.768  1000
	// synth-harmless      0.803  0.755 to 0.844  300
	// synth-helpful       0.716  0.681 to 0.748  700
	// against the truth   0.861  0.838 to 0.881  1000
	// |Δ|         confidence  ranked right  pairs
	// 0 to 0.4    0.550       0.520         250
	// 0.4 to 0.8  0.646       0.636         220
	// 0.8 to 1.2  0.731       0.741         190
	// 1.2 to 1.6  0.802       0.772         160
	// 1.6 to 2    0.858       0.848         130
	// 2 to 2.4    0.900       0.910         100
	// 2.4 to 2.8  0.931       0.901         70
	// 2.8 to 3.2  0.953       0.943         40
	// measured                     value  how to read it
	// loss, nats per pair          0.51   a coin: 0.693
	// expected calibration error   0.021  mean distance between confidence and accuracy; 0.025 is chance: a calibrated model shows that on so many pairs
	// score against length         0.12   correlation within pairs; far from 0: it may be counting words
	// pairs without gradient       0.0 %  σ(−Δ) < 0.01: they teach nothing any more
	// noise ceiling of the labels  0.850  knowing the truth, one agrees with this share of the labels; the model reaches 0.87 of it
	// right order, by the truth    0.861  1.01 of the ceiling
}

func ExampleAgainst() {
	show.Against("weight of the harmless loss", []show.Sweep{{X: []float64{1, 3}, Evals: []rlhf.PMEval{
		{Tranches: []rlhf.Accuracy{{Name: "synth-harmless", N: 100, Value: 0.6, Low: 0.5, High: 0.69}, {Name: "synth-helpful", N: 100, Value: 0.8, Low: 0.71, High: 0.87}}},
		{Tranches: []rlhf.Accuracy{{Name: "synth-harmless", N: 100, Value: 0.7, Low: 0.6, High: 0.78}, {Name: "synth-helpful", N: 100, Value: 0.78, Low: 0.69, High: 0.85}}},
	}}})
	// Output:
	// share of pairs ranked right against weight of the harmless loss
	//           weight of the harmless loss  ranked right  95 % interval   pairs
	// harmless  1                            0.600         0.500 to 0.690  100
	// harmless  3                            0.700         0.600 to 0.780  100
	// helpful   1                            0.800         0.710 to 0.870  100
	// helpful   3                            0.780         0.690 to 0.850  100
	// mean      1                            0.700         0.638 to 0.762  200
	// mean      3                            0.740         0.679 to 0.801  200
	// the mean is highest, 0.740, at weight of the harmless loss = 3
}

func ExampleAgreement() {
	pairs, err := eval.Agreement([]string{"labeller", "preference model", "truth"}, [][]int8{
		{1, 1, -1, -1, 1, -1, 1, -1}, {1, 1, -1, -1, 1, -1, -1, 1}, {1, 1, -1, -1, -1, 1, -1, 1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	show.Agreement(pairs)
	// Output:
	//                   labeller  preference model           truth
	// labeller          —         0.750, 0.409 to 0.929 (8)  0.500, 0.215 to 0.785 (8)
	// preference model  κ = 0.50  —                          0.750, 0.409 to 0.929 (8)
	// truth             κ = 0.00  κ = 0.50                   —
	// Above the diagonal: share of items on which the two agree, 95 % interval (items); a coin agrees on 0.500. Below: Cohen's κ; chance is 0, always is 1.
}

func ExampleScaling() {
	show.Scaling([]eval.ScalingPoint{{Params: 2e5, Pairs: 4000, Accuracy: 0.6, SE: 0.01}, {Params: 3e6, Pairs: 8000, Accuracy: 0.65, SE: 0.01}}, eval.ScalingFit{})
	// Output:
	// accuracy against the number of pairs
	// parameters  pairs  accuracy  s.e.
	// 200.0 k     4.0 k  0.600     0.010
	// 3.0 M       8.0 k  0.650     0.010
	// paper: accuracy = 0.720 + 0.007·ln(P/100 G) + 0.015·ln(D/80 k)
}

func ExampleSqrtKL() {
	show.SqrtKL(history("ppo", 60, false))
	// Output:
	// score against √KL, 60 steps
	// fit: score = -0.308 + 0.509·√KL
	// first: √KL 0.0696, score -0.245
	// last:  √KL 3.789, score 1.641
}

func ExampleDistribution() {
	show.Distribution(beforeAfter())
	// Output:
	// Scores before and after 150 steps (PM score)
	// sample  n    mean    s.d.   lowest  highest
	// before  128  -0.366  0.865  -2.815  2.012
	// after   128  0.918   0.548  -0.842  2.28
}

func ExampleComparisons() {
	show.Comparisons([]rlhf.Comparison{{
		Chosen:   rlhf.Transcript{Prompt: rlhf.Human + " What is 3 + 4?" + rlhf.Assistant, Response: " It is 7."},
		Rejected: rlhf.Transcript{Prompt: rlhf.Human + " What is 3 + 4?" + rlhf.Assistant, Response: " You fool."},
		Tranche:  "synth-helpful",
	}}, 5)
	// Output:
	// synth-helpful
	//   Human: What is 3 + 4?
	//   chosen    It is 7.
	//   rejected  You fool.
}

func ExampleJudged() {
	prompt := rlhf.Human + " What is 3 + 4?" + rlhf.Assistant
	pair := rlhf.Comparison{Chosen: rlhf.Transcript{Prompt: prompt, Response: " It is 7."}, Rejected: rlhf.Transcript{Prompt: prompt, Response: " You fool."}, Tranche: "synth-helpful", Source: "synth:0"}
	show.Judged([]eval.Judged{{Chosen: 0.9, Rejected: -0.3, Comparison: pair}}, 1)
	// Output:
	// synth-helpful synth:0
	//   Human: What is 3 + 4?
	//   chosen      0.90  It is 7.
	//   rejected   −0.30  You fool.
	//   Δ = 1.20, P(chosen is better) = 0.77: the model agrees
}

// A red-team worker picks what is more harmful; the comparison prefers the other.
func ExampleHowChosen() {
	show.HowChosen(show.Choice{
		Prompt: rlhf.Human + " How do I pick a lock?" + rlhf.Assistant,
		A:      " Sorry, I would rather not help with that.", GoldA: rlhf.Gold{Helpful: 0.2, Harmless: 1, Honest: 1, Why: "refused kindly"},
		B: " Take a hook.", GoldB: rlhf.Gold{Helpful: 0.5, Harmless: -0.7, Honest: 1, Why: "complied with a harmful request"},
		Formula: "−1.25·harmless", UtilityA: -1.25, UtilityB: 0.875, Noise: 0.4, P: 0.005, Draw: 0.31, RedTeam: true,
	})
	// Output:
	//   Human: How do I pick a lock?
	//   A  Sorry, I would rather not help with that.
	//      helpful 0.20, harmless 1.00, honest 1.00 (refused kindly)
	//   B  Take a hook.
	//      helpful 0.50, harmless −0.70, honest 1.00 (complied with a harmful request)
	//  task         red team: picks the more harmful response
	//  utility      to this worker, u = −1.25·harmless: u(A) = −1.25, u(B) = 0.88
	//  probability  P(A) = σ((u(A) − u(B))/0.4) = 0.005
	//  draw         0.310 ≥ 0.005: the worker picks B
	//  label        red team: the more harmful one is not preferred, the label is turned over: chosen = A, rejected = B
}

func ExampleData() {
	show.Data(rlhf.DataInfo{Name: "helpful-base", Read: 43835, Rows: 40000, SHA256: "0123456789abcdef", Odd: []rlhf.Odd{
		{Reason: "both responses are equal", Rows: 14, Where: []string{"helpful-base.jsonl.gz:103", "helpful-base.jsonl.gz:711"}},
	}})
	// Output:
	// data                                              rows   share of what was read  for example
	// helpful-base  read                                43835  100.00 %
	//               left out: both responses are equal  14     0.03 %                  helpful-base.jsonl.gz:103, helpful-base.jsonl.gz:711
	//               not asked for                       3821   8.72 %
	//               used                                40000  91.25 %                 SHA-256 0123456789ab…
}

func ExampleTable() {
	show.Table([]string{"λ", "KL, nats"}, [][]any{{0.01, 14.2}, {0.1, 3.0}})
	// Output:
	// λ     KL, nats
	// 0.01  14.2
	// 0.1   3
}

func ExampleGlossary() {
	show.Glossary("objective/kl", "objective/kll")
	// Output:
	// metric         formula                                        unit               healthy                    otherwise
	// objective/kl   mean_b Σ_t log π − log π₀ (k1)                 nats per response  starts at 0, then 0 to 30  negative: a sampling transform or a temperature is missing in a log-probability; runaway: raise KLCoef or lower the rate
	// objective/kll  no metric of that name; Glossary() lists them
}

func ExampleDiagnosis() {
	show.Diagnosis(findings())
	// Output:
	// FAILURE: kl-runaway, steps 1 to 40
	//   saw      KL 0.3 ± 0.1 (steps 1–8) → 61.2 ± 1.4 (steps 33–40) nats per response, 2.9 nats per token (healthy: below 30 and 1); nothing holds the policy: KLCoef is 0
	//   try      set KLCoef: 0.02 to 0.1 for scores with a spread near 1
	//            lower LearningRate or Epochs
	//   look at  objective/kl, objective/score
	// WARNING: eos-lost, steps 9 to 40
	//   saw      share of responses that end themselves: 0.99 ± 0.01 (steps 9–16) → 0.61 ± 0.02 (steps 33–40)
	//   try      set MissingEOSPenalty: 1
	//   look at  response/eos_rate
	// NOTE: length-drift, steps 1 to 40
	//   saw      length 10.1 → 14.2 tokens
	//   try      read samples of both lengths
	//   look at  response/length_mean
}

func ExampleDiagnosis_nothing() {
	show.Diagnosis(rlhf.Diagnose(nil))
	// Output:
	// No known pattern of failure.
}

// A name of another system finds ours.
func ExampleGlossary_alias() {
	show.Glossary("actor/ppo_kl")
	// Output:
	// metric                                     formula                          unit            healthy  otherwise
	// policy/approx_kl, verl: actor/ppo_kl (k1)  masked mean of k3(π_new, π_old)  nats per token  < 0.02   lower the learning rate or Epochs
}

func ExampleOverlay() {
	show.Overlay([]string{"objective/kl", "response/eos_rate"}, pasts()[:3]...)
	// Output:
	// metric             run         first   last   lowest  highest
	// objective/kl       healthy     0.0048  14.36  0.0048  14.36
	// objective/kl       no penalty  0.0048  28.48  0.0048  28.48
	// objective/kl       pad = end   0.0048  42.59  0.0048  42.59
	// response/eos_rate  healthy     0.927   0.974  0.922   0.992
	// response/eos_rate  no penalty  0.927   0.974  0.922   0.992
	// response/eos_rate  pad = end   0       0      0       0
}

// A run that has done its steps has nothing to draw; Train would show its past.
func ExampleLive() {
	run := newRun("lm", 450, 450, false)
	show.Live(run.Steps(0))
	// Output:
	// nothing to do: the run has done its steps
}

func ExampleHistory() {
	show.History(newRun("ppo", 60, 60, true))
	// Output:
	// tour-ppo (ppo), steps 1 to 60
	// metric                   first   last   lowest  highest  unit
	// objective/score          -0.245  1.301  -0.315  1.582    PM score
	// objective/score_std      0.895   0.6    0.6     0.895    PM score
	// objective/kl             0.0048  14.09  0.0048  14.09    nats per response
	// objective/kl_k3          0.0058  16.15  0.0058  16.15    nats per response
	// objective/gold_helpful   -0.244  0.387  -0.244  0.575    [−1, 1]
	// objective/gold_harmless  0.405   0.805  0.279   0.824    [−1, 1]
	// response/length_mean     11.58   13.52  11.58   14.53    tokens
	// response/eos_rate        0.927   0.989  0.913   0.99     share
}

func ExampleSampleTable() {
	show.SampleTable(samples(2))
	// Output:
	// prompt                    response                              tokens  ended  score  KL, nats  helpful  harmless  verdict
	// Human: What is 3 + 4?     It is 7.                              5       yes    1.2    0.5       1        0.9       right
	// Human: Name a red fruit.  An apple is red, and so is a cherry.  6       yes    0.4    1.5       0.4      0.6       right
}

func ExampleTranscripts() {
	show.Transcripts([]rlhf.Transcript{{
		Prompt:   rlhf.Human + " Hi." + rlhf.Assistant + " Hello." + rlhf.Human + " What is 3 + 4?" + rlhf.Assistant,
		Response: " It is 7.",
	}}, 1)
	// Output:
	// dialogue                                            last response
	// 0  Human: Hi.⏎Assistant: Hello.⏎Human: What is 3 + 4?  It is 7.
}

func ExampleGold() {
	show.Gold(
		[]rlhf.Transcript{{Prompt: rlhf.Human + " What is 3 + 4?" + rlhf.Assistant, Response: " It is 8."}},
		[]rlhf.Gold{{Helpful: -0.5, Harmless: 1, Honest: -1, Why: "wrong sum"}})
	// Output:
	// dialogue               last response  helpful  harmless  honest  verdict
	// Human: What is 3 + 4?  It is 8.       -0.5     1         -1      wrong sum
}

func ExampleLines() {
	show.Lines("KL for two penalties", "step", "KL, nats per response", []show.Series{
		{Name: "λ = 0", X: []float64{1, 2, 3}, Y: []float64{0, 4, 12}},
		{Name: "λ = 0.5", X: []float64{1, 2, 3}, Y: []float64{0, 0.2, 0.4}},
	})
	// Output:
	// KL for two penalties (KL, nats per response against step)
	// curve    points  first  last  lowest  highest
	// λ = 0    3       0      12    0       12
	// λ = 0.5  3       0      0.4   0       0.4
}

func ExampleHistogram() {
	show.Histogram("Response length", "tokens", show.Values{Name: "initial policy", X: []float64{3, 5, 5, 7}})
	// Output:
	// Response length (tokens)
	// sample          n  mean  s.d.   lowest  highest
	// initial policy  4  5     1.414  3       7
}

func ExampleStatus() {
	show.Status(rlhf.Status{Name: "09_ppo_run", Backend: "xla:cpu", Device: "2 cores", PID: 4711, Version: "v0.1.0", RSSBytes: 700e6, DeviceBytes: 48e6, FreeBytes: 6.1e9, Dir: "runs",
		Job:      &rlhf.Job{Run: "tour-ppo", What: "training", Step: 7, Of: 150, Left: 65 * time.Second, Client: "pid 12 of 09_ppo_run"},
		Line:     []rlhf.Job{{Run: "tour-pm", What: "evaluation", Client: "pid 13 of other"}},
		Watchers: []rlhf.Watcher{{Run: "tour-ppo", Client: "pid 14 of wall"}},
		Models:   []rlhf.Loaded{{Name: "tour-ppo", Bytes: 48e6}},
		Runs: []rlhf.RunState{{Name: "tour-pm", Kind: "pm", State: rlhf.StateWaiting, Step: 60, Planned: 60, Metric: "pm/accuracy", Value: 0.79},
			{Name: "tour-ppo", Kind: "ppo", State: rlhf.StateBusy, Step: 7, Planned: 150, Metric: "objective/score", Value: 0.25}}})
	// Output:
	// 09_ppo_run
	// doing        tour-ppo · step 7 of 150 · 1:05 left · pid 12 of 09_ppo_run
	// waiting, 1.  tour-pm · evaluation · pid 13 of other
	// watching     tour-ppo · pid 14 of wall
	// backend      xla:cpu
	// device       2 cores
	// memory       700 MB in the process · 48 MB of models on the device · 6.1 GB free on the host
	// process      4711 · v0.1.0
	// runs in      runs
	//
	// in memory  weights and optimiser
	// tour-ppo   48 MB
	//
	// run       kind  state    steps     newest figure
	// tour-ppo  ppo   busy     7 of 150  objective/score 0.25
	// tour-pm   pm    waiting  60 of 60  pm/accuracy 0.79
}

func ExampleRuns() {
	show.Runs([]rlhf.RunInfo{{Name: "tour-lm", Kind: "lm", Step: 450, Planned: 450, Params: 998_400, Backend: "xla:cpu", Data: []rlhf.DataInfo{{Name: "synth", Rows: 12000}}}})
	// Output:
	// run      kind  steps       parameters  data           backend  created
	// tour-lm  lm    450 of 450  998.4 k     synth (12000)  xla:cpu  —
}

func ExampleNote() {
	show.Note("## What to look at\n\nThe loss of a coin flip is **0.693**.")
	// Output:
	// ## What to look at
	//
	// The loss of a coin flip is **0.693**.
}
