package study

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// WritersDraws is how many samples a policy writes of which the one of median score is shown
// (section 6.1).
const WritersDraws = 17

// The authors of a comparison with writers.
const (
	AuthorWriter  = "writer"
	AuthorHH      = "HH policy"
	AuthorHelpful = "helpful-only policy"
)

// Written is how policies do beside people who write answers (section 6.1, figure 24).
type Written struct {
	Seeds []WrittenSeed `json:"seeds"`
}

// WrittenSeed is one seed of it.
type WrittenSeed struct {
	Seed int `json:"seed"`
	Beside
	// Examples are the first few prompts with what was shown.
	Examples []WrittenExample `json:"examples"`
}

// Beside are authors ranked by a crowd on the same prompts.
type Beside struct {
	Authors []string `json:"authors"`
	// Scores are the preference model's means of what each author showed, Worth those of
	// the gold labels' utility; nil where nobody knows the truth.
	Scores []float64 `json:"scores"`
	Worth  []float64 `json:"worth,omitempty"`
	// Pairs are the authors two by two, each with how often the crowd preferred A among the
	// prompts on which it preferred one.
	Pairs []BesidePair `json:"pairs"`
	// Elo rates them by all pairs, the first author at 0. The answers of a prompt stand in
	// more than one pair, so its errors are a little too small; those of Pairs are not.
	Elo []eval.Rating `json:"elo"`
}

// A BesidePair is one author against another.
type BesidePair struct {
	A      string        `json:"a"`
	B      string        `json:"b"`
	Won    rlhf.Accuracy `json:"won"` // by A, with its Wilson interval
	Unsure int           `json:"unsure"`
}

// A WrittenExample is one prompt and what each author showed.
type WrittenExample struct {
	Prompt  string   `json:"prompt"`
	Answers []string `json:"answers"`
}

// Writers measures it. The writer of this world is its good author, who is always right,
// always refuses what should be refused, and is polite three times out of five.
func Writers(st *Study) (Written, error) {
	seeds, err := eachSeed(st, "writers", st.writers)
	return Written{Seeds: seeds}, err
}

func (st *Study) writers(seed int) (WrittenSeed, error) {
	out := WrittenSeed{Seed: seed}
	rng := rand.New(rand.NewPCG(uint64(seed), 0x777269)) // "wri"
	top := st.Plan.Top()
	harmful := rlhf.PPO{}.Filled().HarmfulFraction
	written := make([]rlhf.Transcript, st.Plan.Prompts) // prompts are the writers' own
	prompts := make([]string, len(written))
	for i := range written {
		t, err := rlhf.ParseTranscript(st.World.Dialogue(synth.Good, rng.Float64() < harmful, rng))
		if err != nil {
			return out, err
		}
		written[i], prompts[i] = t, t.Prompt
	}
	judge, err := st.Judge(HH, top, seed)
	if err != nil {
		return out, err
	}
	shown := map[string][]rlhf.Transcript{AuthorWriter: written}
	for name, p := range map[string]Policy{AuthorHH: mainPolicy(top, seed), AuthorHelpful: helpfulOnly(top, seed)} {
		if _, err := st.Policy(p); err != nil {
			return out, err
		}
		choices, err := judge.BestOf(st.PolicyName(p), prompts, WritersDraws, st.sampling(uint64(seed)))
		if err != nil {
			return out, err
		}
		shown[name] = Medians(choices)
	}
	authors := []string{AuthorWriter, AuthorHH, AuthorHelpful}
	out.Beside, err = Rank(authors, [][]rlhf.Transcript{shown[AuthorWriter], shown[AuthorHH], shown[AuthorHelpful]}, judge.Score, st.World, synth.DefaultCrowd(), rng)
	for i := range min(3, len(prompts)) {
		e := WrittenExample{Prompt: prompts[i]}
		for _, a := range authors {
			e.Answers = append(e.Answers, shown[a][i].Response)
		}
		out.Examples = append(out.Examples, e)
	}
	return out, err
}

// Medians are the median answers of choices, see [rlhf.Choice.Median]; that of a choice all
// of whose samples are empty is empty.
func Medians(choices []rlhf.Choice) []rlhf.Transcript {
	out := make([]rlhf.Transcript, len(choices))
	for i, c := range choices {
		s, _ := c.Median()
		out[i] = rlhf.Transcript{Prompt: c.Prompt, Response: s.Response}
	}
	return out
}

// Rank sets authors side by side on the same prompts: shown[a][i] is what author a showed for
// prompt i. Where w is nil the scores choose, the higher one: a preference model then judges
// what it may have trained.
func Rank(authors []string, shown [][]rlhf.Transcript, score func([]rlhf.Transcript) ([]float64, error), w *synth.World, c synth.Crowd, rng *rand.Rand) (Beside, error) {
	b := Beside{Authors: authors}
	scores := make([][]float64, len(authors))
	for a, ts := range shown {
		var err error
		if scores[a], err = score(ts); err != nil {
			return b, err
		}
		b.Scores = append(b.Scores, stat.Mean(scores[a], nil))
		if w != nil {
			worth := 0.0
			for _, t := range ts {
				worth += synth.Utility(w.Judge(t)) / float64(len(ts))
			}
			b.Worth = append(b.Worth, worth)
		}
	}
	prefers := func(i, x, y int) (xWins, ok bool) {
		if w == nil {
			return scores[x][i] > scores[y][i], scores[x][i] != scores[y][i]
		}
		return preferred(w, shown[x][i].Prompt, shown[x][i].Response, shown[y][i].Response, c, rng)
	}
	t := eval.NewTournament(authors...)
	t.Prior = 1
	for y := range authors {
		for x := y + 1; x < len(authors); x++ {
			p := BesidePair{A: authors[x], B: authors[y]}
			for i := range shown[x] {
				switch xWins, ok := prefers(i, x, y); {
				case !ok:
					p.Unsure++
				case xWins:
					t.Wins[x][y]++
				default:
					t.Wins[y][x]++
				}
			}
			n := int(t.Wins[x][y] + t.Wins[y][x])
			p.Won = rlhf.Accuracy{Name: p.A + " over " + p.B, N: n, Value: t.Wins[x][y] / max(float64(n), 1)}
			p.Won.Low, p.Won.High = eval.WilsonInterval(t.Wins[x][y], n, eval.Z95)
			b.Pairs = append(b.Pairs, p)
		}
	}
	t.Connect()
	var err error
	b.Elo, err = eval.Elo(t)
	return b, err
}

// Won is how often author a was preferred to b, one a seed.
func (w Written) Won(a, b string) (won []float64) {
	for _, s := range w.Seeds {
		for _, p := range s.Pairs {
			if p.A == a && p.B == b {
				won = append(won, p.Won.Value)
			}
		}
	}
	return won
}

// Claims judges section 6.1.
func (w Written) Claims() []Claim {
	const figure = "Policies beside writers"
	hh, helpful := Over(w.Won(AuthorHH, AuthorWriter)), Over(w.Won(AuthorHelpful, AuthorWriter))
	var lead, above []float64
	unsure, prompts := 0, 0
	for _, s := range w.Seeds {
		above = append(above, s.Scores[1]-s.Scores[0])
		lead = append(lead, s.Worth[1]-s.Worth[0])
		unsure, prompts = unsure+s.Pairs[0].Unsure, prompts+s.Pairs[0].Unsure+s.Pairs[0].Won.N
	}
	score, worth := Over(above), Over(lead)
	return []Claim{
		Claim{ID: "writers", Section: "6.1", Figure: figure, Says: "The HH policy's median sample of 17 is preferred to a human writer's answer",
			Paper: "56 to 57 % of comparisons", Wants: "preferred in more than half of the decided comparisons, interval above 0.5",
			Ours: fmt.Sprintf("%v, %d of %d prompts undecided; its gold worth less the writer's %v", hh, unsure, prompts, worth)}.With(hh).
			Judged(hh.Low > 0.5, "this world's writer is never wrong; the policy wins %.2f of the comparisons", hh.Mean),
		Claim{ID: "writers-helpful-only", Section: "6.1", Figure: figure, Says: "The helpful-only policy does about as well as the writer, and worse than the HH policy",
			Paper: "51 %", Wants: "its share on the mean of the seeds between 0.45 and 0.57, and below the HH policy's",
			Ours: fmt.Sprint(helpful)}.With(helpful).
			Judged(helpful.Mean >= 0.45 && helpful.Mean <= 0.57 && helpful.Mean < hh.Mean, "%.2f, the HH policy %.2f", helpful.Mean, hh.Mean),
		Claim{ID: "writers-score", Section: "6.1", Figure: figure, Says: "The preference model scores the policy's samples above the writers', whatever people say",
			Paper: "model samples score higher; perhaps it has been overfitted", Wants: "mean score of the HH policy's medians above the writers', interval above 0",
			Ours: fmt.Sprintf("%+.2f (%.2f to %.2f) nats", score.Mean, score.Low, score.High)}.With(score).
			Judged(score.Low > 0, "%+.2f (%.2f to %.2f) nats", score.Mean, score.Low, score.High),
	}
}
