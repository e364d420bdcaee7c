package online

import (
	"fmt"
	"math/rand/v2"

	"hhrlhf/rlhf"
)

// A player is a policy that is deployed.
type player struct {
	name string // "base", "rs-1", "ppo-1@20"
	run  string // the language-model run that writes
	pm   string // the preference model whose best of K it shows; "": it shows the first
}

// A deal says who answers which prompts, and which of the answers are compared.
type deal struct {
	tranche string
	prompts []string
	players []player
	seats   []seat
	pairs   [][2]int // of seats
}

// A seat is one response to be written.
type seat struct{ prompt, player int }

// deal of a tranche of n prompts, each answered by two different players, or twice by
// the only one.
func (l *Loop) compared(tranche string, n int, players []player) deal {
	d := deal{tranche: tranche, prompts: l.prompts(tranche, n), players: players}
	rng := l.seed.Stream("online/deal/"+tranche, 0)
	for i := range d.prompts {
		a, b := 0, 0
		if len(players) > 1 {
			a = rng.IntN(len(players))
			b = (a + 1 + rng.IntN(len(players)-1)) % len(players)
		}
		d.pairs = append(d.pairs, [2]int{len(d.seats), len(d.seats) + 1})
		d.seats = append(d.seats, seat{i, a}, seat{i, b})
	}
	return d
}

// everybody is the deal in which all players answer all prompts and each response is
// compared with one other at most, so that comparisons are independent given the prompts.
func (l *Loop) everybody(tranche string, n int, players []player) deal {
	d := deal{tranche: tranche, prompts: l.prompts(tranche, n), players: players}
	rng := l.seed.Stream("online/deal/"+tranche, 0)
	for i := range d.prompts {
		first := len(d.seats)
		for p := range players {
			d.seats = append(d.seats, seat{i, p})
		}
		order := rng.Perm(len(players))
		for k := 0; k+1 < len(order); k += 2 {
			d.pairs = append(d.pairs, [2]int{first + order[k], first + order[k+1]})
		}
	}
	return d
}

// prompts are n fresh ones for a tranche.
func (l *Loop) prompts(tranche string, n int) []string {
	rng := l.seed.Stream("online/prompts/"+tranche, 0)
	if len(l.o.Prompts) > 0 {
		return drawn(l.o.Prompts, n, rng)
	}
	return l.world.Prompts(n, rng, l.cfg.Harmful)
}

// drawn takes n of the prompts, each once before any comes again.
func drawn(from []string, n int, rng *rand.Rand) []string {
	out := make([]string, 0, n)
	for len(out) < n {
		for _, i := range rng.Perm(len(from))[:min(n-len(out), len(from))] {
			out = append(out, from[i])
		}
	}
	return out
}

// answer is one line of a log of answers.
type answer struct {
	Prompt   string `json:"prompt"`
	Response string `json:"response"`
}

// answerPart is how many prompts a player is asked at once: few enough that an
// interrupt loses seconds only.
const answerPart = 128

// play has every seat of a deal answered, and returns the responses by seat.
func (w *walk) play(d deal) ([]string, error) {
	out := make([]string, len(d.seats))
	for p, who := range d.players {
		var at []int
		var prompts []string
		for i, s := range d.seats {
			if s.player == p {
				at, prompts = append(at, i), append(prompts, d.prompts[s.prompt])
			}
		}
		log, err := w.answers(d.tranche, who, prompts)
		if err != nil {
			return nil, err
		}
		for k, i := range at {
			out[i] = log[k].Response
		}
	}
	return out, nil
}

// answers has a player answer prompts, part by part.
func (w *walk) answers(tranche string, who player, prompts []string) ([]answer, error) {
	path := w.path("answers", tranche, who.name+".jsonl")
	log, err := readLog[answer](path, answerPart, len(prompts))
	if err != nil {
		return nil, err
	}
	t := w.clock(len(prompts) - len(log))
	for len(log) < len(prompts) {
		if err := w.say(fmt.Sprintf("%s answers for %s: %d of %d", who.name, tranche, len(log), len(prompts)), t.left(len(prompts)-len(log))); err != nil {
			return nil, err
		}
		part := prompts[len(log):min(len(log)+answerPart, len(prompts))]
		seed := w.seed.Uint64("online/answers/"+tranche+"/"+who.name, len(log)/answerPart)
		responses, err := w.ask(who, part, seed)
		if err != nil {
			return nil, err
		}
		rows := make([]answer, len(part))
		for i, r := range responses {
			rows[i] = answer{part[i], r}
		}
		if err := appendLog(path, rows); err != nil {
			return nil, err
		}
		log = append(log, rows...)
	}
	for i, a := range log {
		if a.Prompt != prompts[i] {
			return nil, fmt.Errorf("online: %s:%d answers another prompt than the loop asked; remove the file, and it is made again", path, i+1)
		}
	}
	return log, nil
}

// ask lets a player answer prompts.
func (l *Loop) ask(who player, prompts []string, seed uint64) ([]string, error) {
	o := rlhf.Sampling{MaxTokens: l.cfg.PPO.Filled().Response, Seed: seed}
	out := make([]string, len(prompts))
	if who.pm == "" {
		r, err := l.lab.OpenLM(who.run)
		if err != nil {
			return nil, err
		}
		samples, err := r.Sample(prompts, o)
		if err != nil {
			return nil, err
		}
		for i, s := range samples {
			out[i] = s.Response
		}
		return out, nil
	}
	p, err := l.lab.OpenPM(who.pm)
	if err != nil {
		return nil, err
	}
	choices, err := p.BestOf(who.run, prompts, l.cfg.K, o)
	if err != nil {
		return nil, err
	}
	for i, c := range choices {
		out[i] = c.Pick().Response
	}
	return out, nil
}

// matches are the pairs of a deal with their responses.
func (d deal) matches(responses []string) []match {
	ms := make([]match, len(d.pairs))
	for i, p := range d.pairs {
		a, b := d.seats[p[0]], d.seats[p[1]]
		ms[i] = match{
			Question: Question{ID: fmt.Sprintf("%s:%d", d.tranche, i), Prompt: d.prompts[a.prompt], A: responses[p[0]], B: responses[p[1]]},
			FromA:    d.players[a.player].name, FromB: d.players[b.player].name,
		}
	}
	return ms
}

// of are the transcripts of one player's seats.
func (d deal) of(name string, responses []string) (ts []rlhf.Transcript) {
	for i, s := range d.seats {
		if d.players[s.player].name == name {
			ts = append(ts, rlhf.Transcript{Prompt: d.prompts[s.prompt], Response: responses[i]})
		}
	}
	return ts
}

// held has a deal answered and compared.
func (w *walk) held(d deal) (responses []string, ms []match, err error) {
	if responses, err = w.play(d); err != nil {
		return nil, nil, err
	}
	ms, err = w.label(d.tranche, d.matches(responses))
	return responses, ms, err
}
