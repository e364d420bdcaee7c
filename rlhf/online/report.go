package online

import (
	"fmt"
	"math"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// A Report is what one round came to.
type Report struct {
	Round int `json:"round"`
	// PM and Policy are the runs that the round trained; Players are all policies of its
	// trial, in order: base, rs, and the snapshots.
	PM      string   `json:"pm"`
	Policy  string   `json:"policy"`
	Players []string `json:"players"`
	// Trained counts the comparisons that PM was trained and measured on.
	Trained []Count `json:"trained"`
	// Scores are how PM scores the answers to the trial's prompts (figures 34, 35) of the
	// base model, of its best of K by PM, and of the policy at its end. Only differences
	// mean anything, and nothing between rounds.
	Scores []Scores `json:"scores"`
	// Accuracy is that of PM on conversations that it was not trained on, by tranche
	// (section 4.5: 74 % on base, 70 % on rs, 67 % on online). The last one is the tranche
	// that its own policy's snapshots wrote, of which it has seen nothing.
	Accuracy []rlhf.Accuracy `json:"accuracy"`
	// Elo rates every policy that was compared up to this round by the labellers'
	// choices, with the base model at 0.
	Elo []eval.Rating `json:"elo"`
	// Predicted is what PM alone says of the same policies (figure 35).
	Predicted []Predicted `json:"predicted,omitempty"`
	// Gold is what the synthetic world, which knows the truth, says of each player of the
	// trial; none without a world.
	Gold []Gold `json:"gold,omitempty"`
}

// Count is the size of a tranche, and what was left out of it: pairs that the labellers
// did not decide, repetitions, and responses that the format cannot hold.
type Count struct {
	Tranche string `json:"tranche"`
	Rows    int    `json:"rows"`
	Unsure  int    `json:"unsure"`
	Again   int    `json:"again"`
	Broken  int    `json:"broken"`
}

// Scores are one policy's answers as a preference model scores them.
type Scores struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Mean float64   `json:"mean"`
	SE   float64   `json:"se"` // of the mean
}

// Gold is the mean of the gold labels of one policy's answers; Worth is
// helpful + honest/4 + harmless, what training is meant to raise.
type Gold struct {
	Name     string  `json:"name"`
	N        int     `json:"n"`
	Worth    float64 `json:"worth"`
	SE       float64 `json:"se"` // of Worth
	Helpful  float64 `json:"helpful"`
	Harmless float64 `json:"harmless"`
	Honest   float64 `json:"honest"`
}

// Reports reads what the rounds so far came to; a round that is not finished has none.
func (l *Loop) Reports() ([]Report, error) {
	var out []Report
	for r := 1; ; r++ {
		var report Report
		there, err := run.ReadJSON(l.path(fmt.Sprintf("report-%d.json", r)), &report)
		if err != nil || !there {
			return out, err
		}
		out = append(out, report)
	}
}

// report holds the trial of a round and writes its report.
func (w *walk) report(r int, base player) error {
	pm := w.run("pm-%d", r)
	best := player{fmt.Sprintf("rs-%d", r), w.cfg.LM, pm}
	players := append([]player{base, best}, w.deployed(r)...)
	d := w.everybody(fmt.Sprintf("trial-%d", r), w.cfg.Trial, players)
	responses, ms, err := w.held(d)
	if err != nil {
		return err
	}
	w.games = append(w.games, ms...)
	path := w.path(fmt.Sprintf("report-%d.json", r))
	if there, err := run.ReadJSON(path, &Report{}); there || err != nil {
		return err
	}
	out := Report{Round: r, PM: pm, Policy: w.run("ppo-%d", r)}
	for _, p := range players {
		out.Players = append(out.Players, p.name)
		out.Gold = append(out.Gold, w.gold(p.name, d.of(p.name, responses))...)
	}
	for _, t := range w.tranches[:len(w.tranches)-1] {
		out.Trained = append(out.Trained, Count{t.name, len(t.rows), t.unsure, t.again, t.broken})
	}
	if err := w.say("scoring", 0); err != nil {
		return err
	}
	last := players[2:][w.cfg.Snapshots+r-2].name // after the last ones of r−1 policies
	var all []Scores
	for _, p := range players {
		s, err := w.scores(pm, p.name, d.of(p.name, responses))
		if err != nil {
			return err
		}
		if all = append(all, s); slices.Contains([]string{"base", best.name, last}, p.name) {
			out.Scores = append(out.Scores, s)
		}
	}
	if out.Predicted, err = w.predicted(pm, r, all); err != nil {
		return err
	}
	if out.Accuracy, err = w.accuracy(pm); err != nil {
		return err
	}
	if out.Elo, err = rate(w.games, w.everyone(r)); err != nil {
		return err
	}
	return run.WriteJSON(path, out)
}

// accuracy measures a preference model on all tranches that there are.
func (w *walk) accuracy(pm string) ([]rlhf.Accuracy, error) {
	folder, err := w.data(fmt.Sprintf("all-%d", len(w.tranches)), w.tranches)
	if err != nil {
		return nil, err
	}
	p, err := w.lab.OpenPM(pm)
	if err != nil {
		return nil, err
	}
	e, err := p.EvaluateOn(folder, 0)
	if err != nil {
		return nil, err
	}
	var out []rlhf.Accuracy
	for _, t := range w.tranches {
		for _, a := range e.Tranches { // which come in order of name
			if a.Name == t.name {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// scores has a preference model score transcripts.
func (w *walk) scores(pm, name string, ts []rlhf.Transcript) (Scores, error) {
	p, err := w.lab.OpenPM(pm)
	if err != nil {
		return Scores{}, err
	}
	s := Scores{Name: name}
	if s.X, err = p.Score(ts); err != nil {
		return s, err
	}
	s.Mean, s.SE = mean(s.X)
	return s, nil
}

// gold judges one policy's answers, in a world that can.
func (l *Loop) gold(name string, ts []rlhf.Transcript) []Gold {
	if l.world == nil {
		return nil
	}
	g := Gold{Name: name, N: len(ts)}
	var worth []float64
	for _, t := range ts {
		j := l.world.Judge(t)
		worth = append(worth, synth.Utility(j))
		g.Helpful += j.Helpful / float64(len(ts))
		g.Harmless += j.Harmless / float64(len(ts))
		g.Honest += j.Honest / float64(len(ts))
	}
	g.Worth, g.SE = mean(worth)
	return []Gold{g}
}

// mean returns the mean of x and its standard error.
func mean(x []float64) (m, se float64) {
	n := float64(len(x))
	for _, v := range x {
		m += v / n
	}
	for _, v := range x {
		se += (v - m) * (v - m)
	}
	return m, math.Sqrt(se / n / max(n-1, 1))
}

// everyone is all that were compared up to round r, the policies of a round behind its best of K.
func (l *Loop) everyone(r int) []string {
	names := []string{"base"}
	for i := 1; i <= r; i++ {
		names = append(names, fmt.Sprintf("rs-%d", i))
		for _, p := range l.deployed(i)[i-1:] {
			names = append(names, p.name)
		}
	}
	return names
}

// rate is the Elo score of every player of the matches, in the order of names.
func rate(games []match, names []string) ([]eval.Rating, error) {
	t := eval.NewTournament(names...) // the base model is the first
	t.Prior = 1
	for _, m := range games {
		if winner, loser, ok := m.won(); ok && winner != loser {
			t.Add(winner, loser)
		}
	}
	t.Connect()
	return eval.Elo(t)
}
