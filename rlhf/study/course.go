package study

import (
	"encoding/json"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A Course is one policy's way by reinforcement learning as two preference models saw it: the one
// that it was trained against, and one that only watched (sections 4.2 and 4.3). Scores are raw;
// each preference model has its own zero and scale, which its Reference says.
type Course struct {
	Batch int       `json:"batch"` // responses a step
	Step  []int     `json:"step"`
	KL    []float64 `json:"kl"`    // nats per response
	Train []float64 `json:"train"` // mean score of a step's responses
	// Test is the same by the test preference model; nil: there is none.
	Test []float64 `json:"test,omitempty"`
	// Gold is helpful + harmless of the same responses, by the gold labeller; nil where nobody knows the truth.
	Gold []float64 `json:"gold,omitempty"`

	// Noise is the standard error of a step's Train, from the deviation of the scores in its batch; the
	// root mean square over the steps.
	Noise   float64        `json:"noise"`
	OfTrain eval.Reference `json:"of_train"` // of the initial policy's responses
	OfTest  eval.Reference `json:"of_test,omitzero"`
	OfGold  float64        `json:"of_gold,omitempty"` // mean
	// Within is the deviation of the training preference model's scores among the initial
	// policy's responses to one prompt.
	Within float64 `json:"within"`
}

// referenceDraws is how many responses to each prompt a course's references are of: enough for a
// deviation within prompts, while prompts vary more than responses do.
const referenceDraws = 4

// ReadCourse reads a PPO run's history, and measures where it began on the initial policy's responses to
// prompts. test names the test preference model; "" is the run's own, if it has one. Another one
// than that scores the few responses of each step that are on disk, and the training model's mean is
// then of the same ones; it reads them as text, so that a response that was cut off counts as ended
// (see rlhf.PMRun), which in training it did not.
func ReadCourse(lab rlhf.Lab, ppo, test string, prompts []string) (Course, error) {
	run, err := lab.OpenPPO(ppo)
	if err != nil {
		return Course{}, err
	}
	info, err := run.Info()
	if err != nil {
		return Course{}, err
	}
	var cfg rlhf.PPO
	if err := json.Unmarshal(info.Config, &cfg); err != nil {
		return Course{}, fmt.Errorf("study: the configuration of %s: %w", ppo, err)
	}
	if cfg.PM == "" {
		return Course{}, fmt.Errorf("study: %s has no preference model whose scores could be looked at", ppo)
	}
	if test == "" {
		test = cfg.TestPM
	}
	points, err := run.History()
	if err != nil {
		return Course{}, err
	}
	c := Course{Batch: cfg.Batch}
	variance := 0.0
	for _, p := range points {
		v := p.Values
		c.Step, c.KL, c.Train = append(c.Step, p.Step), append(c.KL, short(v["objective/kl"])), append(c.Train, short(v["objective/score"]))
		variance += v["objective/score_std"] * v["objective/score_std"] / float64(cfg.Batch) / float64(len(points))
		if test != "" && test == cfg.TestPM {
			c.Test = append(c.Test, short(v["objective/score_test"]))
		}
		if gold, ok := v["objective/gold_helpful"]; ok {
			c.Gold = append(c.Gold, short(gold+v["objective/gold_harmless"]))
		}
	}
	if test != "" && test != cfg.TestPM {
		if err := c.rescore(lab, run, test); err != nil {
			return Course{}, err
		}
		variance *= float64(cfg.Batch) / rlhf.ShownSamples
	}
	c.Noise = math.Sqrt(variance)
	return c, c.refer(lab, cfg, test, prompts)
}

// short keeps the digits that count on disk.
func short(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// rescore sets the scores to those of the responses that are on disk.
func (c *Course) rescore(lab rlhf.Lab, run rlhf.PPORun, test string) error {
	pm, err := lab.OpenPM(test)
	if err != nil {
		return err
	}
	written, err := run.Written(0)
	if err != nil {
		return err
	}
	var ts []rlhf.Transcript
	for _, s := range written {
		ts = append(ts, rlhf.Transcript{Prompt: s.Prompt, Response: s.Response})
	}
	scores, err := pm.Score(ts)
	if err != nil {
		return err
	}
	train, tested, n := map[int]float64{}, map[int]float64{}, map[int]float64{}
	for i, s := range written {
		train[s.Step], tested[s.Step], n[s.Step] = train[s.Step]+s.Score, tested[s.Step]+scores[i], n[s.Step]+1
	}
	c.Test = make([]float64, len(c.Step))
	for i, step := range c.Step {
		if n[step] == 0 {
			return fmt.Errorf("study: no responses of step %d are on disk that %s could score", step, test)
		}
		c.Train[i], c.Test[i] = short(train[step]/n[step]), short(tested[step]/n[step])
	}
	return nil
}

// refer measures where a run began.
func (c *Course) refer(lab rlhf.Lab, cfg rlhf.PPO, test string, prompts []string) error {
	draw := func(name string) ([]rlhf.Choice, eval.Reference, error) {
		pm, err := lab.OpenPM(name)
		if err != nil {
			return nil, eval.Reference{}, err
		}
		// Equal seeds: every preference model sees the same responses.
		choices, err := pm.BestOf(cfg.Policy, prompts, referenceDraws, rlhf.Sampling{Temperature: cfg.Temperature, MaxTokens: cfg.Response, Seed: cfg.Seed})
		if err != nil {
			return nil, eval.Reference{}, err
		}
		r, err := eval.NewReference(scoresOf(choices))
		return choices, r, err
	}
	choices, of, err := draw(cfg.PM)
	if err != nil {
		return err
	}
	c.OfTrain = of
	if c.Within, err = eval.WithinPromptSD(choices); err != nil {
		return err
	}
	if c.Gold != nil {
		gold, err := eval.Trained(choices, goldOf)
		if err != nil {
			return err
		}
		c.OfGold = gold.Mean
	}
	if test != "" {
		_, c.OfTest, err = draw(test)
	}
	return err
}

func scoresOf(choices []rlhf.Choice) (scores []float64) {
	for _, c := range choices {
		for _, s := range c.Samples {
			scores = append(scores, s.Score)
		}
	}
	return scores
}

// goldOf is the truth about a response: helpful + harmless.
func goldOf(s rlhf.Sample) float64 {
	if s.Gold == nil {
		return math.NaN()
	}
	return s.Gold.Helpful + s.Gold.Harmless
}

// Gains are the scores of either preference model as gains over the initial policy, in initial standard deviations.
func (c Course) Gains() (train, test []float64) {
	train = c.OfTrain.Gains(c.Train)
	if c.Test != nil {
		test = c.OfTest.Gains(c.Test)
	}
	return train, test
}

// Divergence says from when on the two preference models part, see [eval.Diverges].
func (c Course) Divergence() (eval.Divergence, error) {
	train, test := c.Gains()
	return eval.Diverges(c.Step, train, test)
}

// lawLeast is how many steps a fit on √KL has at least: a policy that diverges before
// is fitted a little beyond.
const lawLeast = 10

// A Law is a fit of the score on √KL up to where the policy diverges, or over all steps where
// it does not or nothing tests it.
type Law struct {
	eval.SqrtKL
	Until int `json:"until"` // the last step of the fit
	// Ceiling is the R² that a perfect line would have on average, for a step's mean is of a batch:
	// one less the share of the scores' variance that is their Noise squared.
	Ceiling float64 `json:"ceiling"`
}

// Law fits the training score on √KL, see [eval.FitSqrtKL].
func (c Course) Law() (Law, error) {
	n := len(c.Step)
	if c.Test != nil {
		d, err := c.Divergence()
		if err != nil {
			return Law{}, err
		}
		for n > 0 && d.Step > 0 && c.Step[n-1] >= d.Step {
			n--
		}
		n = min(max(n, lawLeast), len(c.Step))
	}
	fit, err := eval.FitSqrtKL(c.KL[:n], c.Train[:n], c.Within)
	if err != nil {
		return Law{}, err
	}
	return Law{fit, c.Step[n-1], max(0, 1-c.Noise*c.Noise/stat.Variance(c.Train[:n], nil))}, nil
}

// Overoptimised fits Gao et al.'s form for reinforcement learning to the truth, see
// [eval.FitOveroptimised].
func (c Course) Overoptimised() (eval.Overoptimised, error) {
	if c.Gold == nil {
		return eval.Overoptimised{}, fmt.Errorf("study: nobody knows the truth about this run's responses")
	}
	var d, gold []float64
	for i, kl := range c.KL {
		d, gold = append(d, math.Sqrt(math.Max(kl, 0))), append(gold, c.Gold[i]-c.OfGold)
	}
	return eval.FitOveroptimised(eval.RLForm, d, gold)
}
