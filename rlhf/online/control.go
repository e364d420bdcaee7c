package online

import (
	"fmt"
	"math"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/run"
)

// A Control asks whether newer comparisons are better ones, or only more (section 4.5,
// figure 16): two preference models on equally many comparisons, one of base alone and
// one in equal shares of base, rs and online, a policy trained on each with the same
// settings and seed, and both policies head to head. In the paper the mix was
// preferred.
type Control struct {
	Rounds int `json:"rounds"` // after which it was made
	Rows   int `json:"rows"`   // comparisons of each arm, held-out ones included
	Base   Arm `json:"base"`
	Mix    Arm `json:"mix"`
	// Won is how often the labellers preferred the mix's answer, among those that they
	// preferred one, and Elo that as a difference of scores.
	Won rlhf.Accuracy `json:"won"`
	Elo eval.Rating   `json:"elo"`
	// Better is by how much the gold labels' worth of the mix's answers is higher, prompt
	// by prompt, and SE its standard error; 0 and 0 without a world.
	Better float64 `json:"better"`
	SE     float64 `json:"se"`
}

// An Arm is one side of a control.
type Arm struct {
	PM       string          `json:"pm"`
	Policy   string          `json:"policy"`
	Accuracy []rlhf.Accuracy `json:"accuracy"` // of PM, by tranche, on conversations that it was not trained on
	Gold     []Gold          `json:"gold,omitempty"`
}

// Control reads the control after all rounds of the configuration; nil if there is none yet.
func (l *Loop) Control() (*Control, error) {
	var c Control
	there, err := run.ReadJSON(l.path(fmt.Sprintf("control-%d.json", l.cfg.Rounds)), &c)
	if err != nil || !there {
		return nil, err
	}
	return &c, nil
}

// control trains both arms and compares them.
func (w *walk) control() error {
	if c, err := w.Control(); c != nil || err != nil {
		return err
	}
	rounds := w.cfg.Rounds
	mix, rows := w.evenMix()
	c := Control{Rounds: rounds, Rows: rows}
	var players []player
	for _, a := range []struct {
		arm  *Arm
		name string
		mix  []rlhf.Share
	}{{&c.Base, "base-only", []rlhf.Share{{Data: "base", Weight: 1}}}, {&c.Mix, "even-mix", mix}} {
		a.arm.PM, a.arm.Policy = w.run("%s-%d-pm", a.name, rounds), w.run("%s-%d-ppo", a.name, rounds)
		if err := w.judge(a.arm.PM, a.mix, rows); err != nil {
			return err
		}
		if err := w.policy(a.arm.Policy, a.arm.PM, []int{w.cfg.PPO.Planned}); err != nil {
			return err
		}
		players = append(players, player{name: a.name, run: fmt.Sprintf("%s-s%d", a.arm.Policy, w.cfg.PPO.Planned)})
	}
	d := w.everybody(fmt.Sprintf("control-%d-%d", rounds, w.cfg.Control), w.cfg.Control, players)
	responses, ms, err := w.held(d)
	if err != nil {
		return err
	}
	if err := w.say("scoring", 0); err != nil {
		return err
	}
	for i, arm := range []*Arm{&c.Base, &c.Mix} {
		if arm.Accuracy, err = w.accuracy(arm.PM); err != nil {
			return err
		}
		arm.Gold = w.gold(players[i].name, d.of(players[i].name, responses))
	}
	c.Won, c.Elo, err = headToHead("even-mix", "base-only", ms)
	if err != nil {
		return err
	}
	if w.world != nil {
		c.Better, c.SE = w.better(d.of("even-mix", responses), d.of("base-only", responses))
	}
	return run.WriteJSON(w.path(fmt.Sprintf("control-%d.json", rounds)), c)
}

// evenMix are the equal shares of base, rs and online, the last spread over its rounds,
// and how many comparisons the tranches give of it, and of base alone.
func (w *walk) evenMix() (mix []rlhf.Share, rows int) {
	rows = math.MaxInt
	for _, t := range w.tranches {
		share := 1.0 / 3
		if strings.HasPrefix(t.name, "online-") {
			share /= float64(w.cfg.Rounds)
		}
		mix = append(mix, rlhf.Share{Data: t.name, Weight: share})
		rows = min(rows, int(float64(len(t.rows))/share))
	}
	return mix, min(rows, len(w.tranches[0].rows))
}

// headToHead is how often a was preferred to b, and the Elo score of a with b at 0.
func headToHead(a, b string, ms []match) (rlhf.Accuracy, eval.Rating, error) {
	won, n := 0.0, 0
	for _, m := range ms {
		if winner, _, ok := m.won(); ok {
			n++
			if winner == a {
				won++
			}
		}
	}
	if n == 0 {
		return rlhf.Accuracy{}, eval.Rating{}, fmt.Errorf("nobody preferred one of %d pairs; raise Control", len(ms))
	}
	out := rlhf.Accuracy{Name: a, N: n, Value: won / float64(n)}
	out.Low, out.High = eval.WilsonInterval(won, n, eval.Z95)
	t := eval.Tournament{Players: []string{b, a}, Wins: [][]float64{{0, float64(n) - won}, {won, 0}}, Anchor: b, Prior: 1}
	ratings, err := eval.Elo(t)
	if err != nil {
		return out, eval.Rating{}, err
	}
	return out, ratings[1], nil
}

// better is the mean difference of worth of two answers to the same prompts.
func (l *Loop) better(a, b []rlhf.Transcript) (diff, se float64) {
	ds := make([]float64, len(a))
	for i := range a {
		ds[i] = l.gold("", a[i:i+1])[0].Worth - l.gold("", b[i:i+1])[0].Worth
	}
	return mean(ds)
}
