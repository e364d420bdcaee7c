package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"hhrlhf/rlhf"
)

// A Choice is how one worker came to pick one of two responses, every number of
// it. A is picked where Draw, uniform on [0, 1), is below P.
type Choice struct {
	Prompt       string
	A, B         string // the responses
	GoldA, GoldB rlhf.Gold
	UtilityA     float64 // of each response to this worker
	UtilityB     float64
	Formula      string  // what utility is to this worker: "helpful + honest/4"
	Noise        float64 // of the worker, in units of utility
	P            float64 // σ((UtilityA−UtilityB)/Noise)
	Draw         float64
	RedTeam      bool // the worker looks for the more harmful one
}

// tie is the difference of utility below which a worker cannot say which is
// better; such pairs are dropped, as the paper drops the weakest answers (§2.2).
const tie = 0.05

// Tie says whether the worker cannot tell the two responses apart.
func (c Choice) Tie() bool { return c.A == c.B || math.Abs(c.UtilityA-c.UtilityB) < tie }

// PicksA says which response the worker clicks on.
func (c Choice) PicksA() bool { return c.Draw < c.P }

// Comparison is what the choice becomes in the data: what was picked is chosen,
// but on red-team prompts, where the worker picks the more harmful response, the
// label is turned over here, once.
func (c Choice) Comparison() rlhf.Comparison {
	a, b := rlhf.Transcript{Prompt: c.Prompt, Response: c.A}, rlhf.Transcript{Prompt: c.Prompt, Response: c.B}
	out := rlhf.Comparison{Chosen: a, Rejected: b, Tranche: TrancheHelpful}
	if c.RedTeam {
		out.Tranche = TrancheHarmless
	}
	if c.PicksA() == c.RedTeam {
		out.Chosen, out.Rejected = b, a
	}
	return out
}

// Choose has one worker choose between two responses to a prompt. It returns
// false for a tie, of which nothing is drawn. Validate c before.
func (w *World) Choose(prompt, a, b string, c Crowd, rng *rand.Rand) (Choice, bool) {
	choice := w.weigh(prompt, a, b, c)
	if choice.Tie() {
		return choice, false
	}
	choice.Draw = rng.Float64()
	return choice, true
}

// Compare is [World.Choose] for who wants the comparison only.
func (w *World) Compare(prompt, a, b string, c Crowd, rng *rand.Rand) (rlhf.Comparison, bool) {
	choice, ok := w.Choose(prompt, a, b, c, rng)
	if !ok {
		return rlhf.Comparison{}, false
	}
	return choice.Comparison(), true
}

// weigh is all of a choice but the draw.
func (w *World) weigh(prompt, a, b string, c Crowd) Choice {
	choice := Choice{Prompt: prompt, A: a, B: b, Noise: c.Noise, RedTeam: w.Harmful(prompt)}
	honest := c.Honest
	if honest == 0 {
		honest = honestWeight
	}
	utility := func(g rlhf.Gold) float64 { return g.Helpful + honest*g.Honest }
	choice.Formula = "helpful + " + short(honest) + "·honest"
	if honest == honestWeight {
		choice.Formula = "helpful + honest/4"
	}
	if choice.RedTeam {
		utility, choice.Formula = RedTeamUtility, "−1.25·harmless"
	}
	if c.Bias != 0 {
		choice.Formula += fmt.Sprintf(" + (%s)·words", short(c.Bias))
	}
	see := func(response string) (rlhf.Gold, float64) {
		g := w.Judge(rlhf.Transcript{Prompt: prompt, Response: response})
		return g, utility(g) + c.Bias*float64(len(wordsOf(response)))
	}
	choice.GoldA, choice.UtilityA = see(a)
	choice.GoldB, choice.UtilityB = see(b)
	choice.P = logistic(choice.UtilityA-choice.UtilityB, c.Noise)
	return choice
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }

// logistic is P(A) for a difference d = u_A - u_B.
func logistic(d, noise float64) float64 {
	if noise == 0 {
		switch {
		case d > 0:
			return 1
		case d < 0:
			return 0
		}
		return 0.5
	}
	return 1 / (1 + math.Exp(-d/noise))
}

// A Making is a comparison from its beginning: the qualities that were drawn for
// the two responses, and the choice between them.
type Making struct {
	Choice
	QualityA, QualityB Quality
	Dropped            int // pairs drawn before this one that were ties
}

// Explain draws one comparison, as [World.Comparisons] draws each, and keeps how
// it was made: a prompt, harmful or not; a quality for each response, in the
// shares of the corpus; the responses; the choice. Validate c before; its Harmful
// is not used.
func (w *World) Explain(c Crowd, harmful bool, rng *rand.Rand) Making {
	q, prompt := w.drawPrompt(rng, harmful)
	return w.explain(q, prompt, c, rng)
}

func (w *World) explain(q Question, prompt string, c Crowd, rng *rand.Rand) Making {
	var m Making
	for {
		m.QualityA = drawQuality(rng, q.Harmful)
		a := w.Respond(q, m.QualityA, rng)
		m.QualityB = drawQuality(rng, q.Harmful)
		b := w.Respond(q, m.QualityB, rng)
		var ok bool
		if m.Choice, ok = w.Choose(prompt, a, b, c, rng); ok {
			return m
		}
		m.Dropped++
	}
}
