package study

import (
	"fmt"
	"math"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// A Recovery asks whether Elo scores mean what they say (section 2.4, appendix B.1): workers
// of a known noise compare answers of known worth in many tournaments, and each tournament's scores
// are compared with the truth, Elo = 400/ln 10 · (u − u_anchor)/noise, which is exact for
// a worker who chooses by the logistic law.
type Recovery struct {
	Players     []string  `json:"players"`
	Truth       []float64 `json:"truth"` // Elo, the first is the anchor
	Mean        []float64 `json:"mean"`  // of the tournaments' scores
	Tournaments int       `json:"tournaments"`
	Games       int       `json:"games"` // of each pair of players in a tournament
	// Within counts the scores within two of their own standard errors of the truth, of
	// Scores; Low and High bound its share by the tournaments, in which scores go together.
	Within int     `json:"within"`
	Scores int     `json:"scores"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	// Naive is Within where a score's error is 1/√H_ii, which takes the others' for known.
	Naive int `json:"naive"`
	// Z are the errors in standard errors of the first tournaments, for a figure.
	Z []float64 `json:"z"`
}

// Nominal is the share of normal errors within two standard errors.
var Nominal = math.Erf(math.Sqrt2)

// Recover plays tournaments between answers to one question whose worth is known, by workers of
// the default crowd with that noise; each pair of players meets so many times in each.
func Recover(w *synth.World, tournaments, games int, noise float64, rng *rand.Rand) (Recovery, error) {
	r := Recovery{Tournaments: tournaments, Games: games}
	prompt := w.Prompts(1, rng, 0)[0]
	question, _ := w.Question(prompt)
	var answers []string
	var worth []float64
	for _, q := range []synth.Quality{synth.Wrong, synth.Declined, synth.Evasive, synth.RightHedged, synth.RightFull, synth.RightPolite} {
		a := w.Respond(question, q, rng)
		answers, r.Players = append(answers, a), append(r.Players, q.String())
		worth = append(worth, synth.HelpfulUtility(w.Judge(rlhf.Transcript{Prompt: prompt, Response: a})))
	}
	n := len(answers)
	r.Mean = make([]float64, n)
	for _, u := range worth {
		r.Truth = append(r.Truth, eval.EloPerNat*(u-worth[0])/noise)
	}
	crowd := synth.Crowd{Noise: noise}
	var shares []float64
	for range tournaments {
		t := eval.NewTournament(r.Players...)
		for i := range n {
			for j := range i {
				for range games {
					if first, ok := preferred(w, prompt, answers[i], answers[j], crowd, rng); !ok {
						return r, fmt.Errorf("study: a worker cannot tell %q from %q", answers[i], answers[j])
					} else if first {
						t.Wins[i][j]++
					} else {
						t.Wins[j][i]++
					}
				}
			}
		}
		ratings, err := eval.Elo(t)
		if err != nil {
			return r, err
		}
		within := 0
		for i, rating := range ratings {
			r.Mean[i] += rating.Elo / float64(tournaments)
			if i == 0 {
				continue
			}
			z := (rating.Elo - r.Truth[i]) / rating.SE
			if len(r.Z) < 500 {
				r.Z = append(r.Z, math.Round(z*1e3)/1e3)
			}
			if r.Scores++; math.Abs(z) <= 2 {
				within++
			}
			if math.Abs(rating.Elo-r.Truth[i]) <= 2*ownError(t, ratings, i) {
				r.Naive++
			}
		}
		r.Within += within
		shares = append(shares, float64(within)/float64(n-1))
	}
	_, r.Low, r.High = eval.MeanInterval(shares, eval.Z95)
	return r, nil
}

// ownError is the mistaken standard error of player i, from its own curvature alone.
func ownError(t eval.Tournament, ratings []eval.Rating, i int) float64 {
	h := 0.0
	for j := range ratings {
		p := eval.WinRate(ratings[i].Elo - ratings[j].Elo)
		h += (t.Wins[i][j] + t.Wins[j][i]) * p * (1 - p)
	}
	return eval.EloPerNat / math.Sqrt(h)
}
