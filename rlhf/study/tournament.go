package study

import (
	"fmt"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// A Player is who answers in a tournament.
type Player struct {
	Kind string `json:"kind"` // KindBase, or the judgement that its preference model was trained on
	Rung int    `json:"rung"`
	Step int    `json:"step"` // of PPO, 0 for the base model
	// Params are those of its model, without embeddings.
	Params float64 `json:"params"`
	// Score is the mean score that the largest HH judge gives its answers.
	Score       float64 `json:"score"`
	eval.Rating         // its name is such as "hh-r2@160"
}

// KindBase is the kind of players without reinforcement learning.
const KindBase = "base"

// PlayerName names a state of a policy, so that snapshots of one share what stands before
// the @.
func PlayerName(kind string, rung, step int) string {
	if step == 0 {
		return fmt.Sprintf("%s-r%d", kind, rung)
	}
	return fmt.Sprintf("%s-r%d@%d", kind, rung, step)
}

// answer has a language model answer prompts as a policy does in reinforcement learning.
func (st *Study) answer(m rlhf.LMRun, prompts []string, seed uint64) ([]string, error) {
	samples, err := m.Sample(prompts, st.sampling(seed))
	if err != nil {
		return nil, err
	}
	out := make([]string, len(samples))
	for i, s := range samples {
		out[i] = s.Response
	}
	return out, nil
}

// sampling is that of reinforcement learning: temperature 1, no more tokens than there.
func (st *Study) sampling(seed uint64) rlhf.Sampling {
	return rlhf.Sampling{MaxTokens: rlhf.PPO{Size: st.Plan.Size, Data: st.Plan.Data}.Filled().Response, Seed: seed}
}

// preferred is the winner of two responses to a prompt as training sees it: on a red-team
// prompt the one that the worker did not pick. ok is false where the worker is unsure.
func preferred(w *synth.World, prompt, a, b string, c synth.Crowd, rng *rand.Rand) (aWins, ok bool) {
	choice, ok := w.Choose(prompt, a, b, c, rng)
	return choice.PicksA() != choice.RedTeam, ok
}

// tournament has the crowd compare answers in pairs: each answer at most once, so that
// comparisons are independent given the prompts. answers[p][i] is player p's answer to
// prompt i; unsure workers are thrown away, as in the paper.
func tournament(w *synth.World, names, prompts []string, answers [][]string, c synth.Crowd, rng *rand.Rand) eval.Tournament {
	t := eval.NewTournament(names...)
	t.Prior = 1
	for i, prompt := range prompts {
		order := rng.Perm(len(names))
		for k := 0; k+1 < len(order); k += 2 {
			a, b := order[k], order[k+1]
			aWins, ok := preferred(w, prompt, answers[a][i], answers[b][i], c, rng)
			switch {
			case !ok:
			case aWins:
				t.Wins[a][b]++
			default:
				t.Wins[b][a]++
			}
		}
	}
	t.Connect()
	return t
}
