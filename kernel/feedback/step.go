package feedback

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

// A Step is what a conversation waits for.
type Step struct {
	Need   Need
	Turn   int
	Prompt string   // the dialogue so far; it ends with [rlhf.Assistant] where responses are needed
	Try    int      // NeedResponses: from 1, as pairs that were skipped are drawn anew
	Asked  Question // NeedVote
}

// A Need is a kind of step.
type Need string

// What a conversation may wait for.
const (
	NeedMessage   Need = "message"   // of the labeller
	NeedResponses Need = "responses" // two, of the policy
	NeedVote      Need = "vote"
	NeedRating    Need = "rating"
	NeedNothing   Need = "nothing" // it is over
)

// Step says what conversation c waits for if the labeller is the one named. All that it
// says comes out of the log, so that a conversation outlives whoever drives it.
func (s *State) Step(c Conversation, labeller string) Step {
	prompt := ""
	for turn := 1; turn <= c.Turns; turn++ {
		text, ok := s.message(c, turn)
		if !ok {
			return Step{Need: NeedMessage, Turn: turn, Prompt: prompt}
		}
		prompt += rlhf.Human + " " + strings.TrimSpace(text) + rlhf.Assistant
		for try := 1; ; try++ {
			q, ok := s.Question(c.questionID(turn, try))
			if !ok {
				return Step{Need: NeedResponses, Turn: turn, Prompt: prompt, Try: try}
			}
			v, ok := s.Vote(q.ID, labeller)
			if !ok {
				return Step{Need: NeedVote, Turn: turn, Prompt: prompt, Asked: q}
			}
			if v.Skip {
				continue
			}
			chosen := q.Response(v.Pick)
			if edit, ok := s.Edit(q.ID, labeller, v.Pick); ok {
				chosen = edit
			}
			// A vote that was changed later does not change what was said after it.
			prompt = q.Prompt + " " + strings.TrimSpace(chosen)
			break
		}
	}
	if _, ok := s.Rating(c.ID, labeller); !ok {
		return Step{Need: NeedRating, Turn: c.Turns, Prompt: prompt}
	}
	return Step{Need: NeedNothing, Turn: c.Turns, Prompt: prompt}
}

// message is what the labeller says in a turn.
func (s *State) message(c Conversation, turn int) (string, bool) {
	if turn == 1 && c.First != "" {
		return c.First, true
	}
	for _, m := range s.Messages {
		if m.Conversation == c.ID && m.Turn == turn {
			return m.Text, true // the first counts: responses were written to it
		}
	}
	return "", false
}

func (c Conversation) questionID(turn, try int) string {
	if try == 1 {
		return fmt.Sprintf("%s:%d", c.ID, turn)
	}
	return fmt.Sprintf("%s:%d.%d", c.ID, turn, try)
}

// Resume finds the labeller's conversation of this kind that is not over, or gives a new
// one its ID.
func (s *State) Resume(c Conversation) Conversation {
	if c.Mode == "" {
		c.Mode = Helpful
	}
	if c.Turns == 0 {
		c.Turns = 4
	}
	if c.ID != "" {
		return c
	}
	for _, old := range s.Conversations {
		c.ID = old.ID
		if c == old && s.Step(old, old.Labeller).Need != NeedNothing {
			return old
		}
	}
	for n := 1; ; n++ {
		c.ID = fmt.Sprintf("%s-%d", c.Labeller, n)
		if _, taken := s.Conversation(c.ID); !taken {
			return c
		}
	}
}
