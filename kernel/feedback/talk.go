package feedback

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"hhrlhf/rlhf"
)

// A Policy answers. Every run of a Lab that can sample is one: rlhf.LMRun, rlhf.PPORun.
type Policy interface {
	Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
}

// A PolicyFunc is any function that answers a prompt; n tells the answers to one prompt apart.
type PolicyFunc func(prompt string, n int) (string, error)

// Sample implements Policy.
func (f PolicyFunc) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	var out []rlhf.Sample
	for i, p := range prompts {
		r, err := f(p, int(o.Seed%1e6)+i)
		if err != nil {
			return nil, err
		}
		out = append(out, rlhf.Sample{Prompt: p, Response: r})
	}
	return out, nil
}

// A Dialogue is a conversation with what came of it.
type Dialogue struct {
	Conversation Conversation
	Text         string // in the paper's format
	Answers      []Answer
	Rating       Rating // without answers where nobody gave one
}

// Talk has a conversation, as the paper's labellers had: the labeller says something, the
// policy writes two responses, the labeller chooses, the chosen one (or the labeller's own
// version of it) goes on the conversation, and at the end it is rated. With two policies
// one response is from each; the order is random. All of it is in the log at once: an
// interrupted conversation goes on where it was when Talk is called again with the same
// mode, task, first message and number of turns. 0 turns are four.
//
// A skipped pair is drawn anew. Where nobody is there (see [Options]), the conversation
// ends at the first message that somebody would have to write.
func (s *Session) Talk(c Conversation, o rlhf.Sampling, policies ...Policy) (Dialogue, error) {
	l, err := s.Log()
	if err != nil {
		return Dialogue{}, err
	}
	st, err := l.State()
	if err != nil {
		return Dialogue{}, err
	}
	c.Labeller = s.o.Labeller
	c = st.Resume(c)
	if err := l.AppendNew(Record{Conversation: &c}); err != nil {
		return Dialogue{}, err
	}
	labeller := s.o.Labeller
	for {
		if st, err = l.State(); err != nil {
			return Dialogue{}, err
		}
		step := st.Step(c, labeller)
		switch step.Need {
		case NeedMessage:
			err = s.wait(Ask{Message: &MessageAsked{Conversation: c, Turn: step.Turn, Prompt: step.Prompt}}, func(st *State, _ string) bool {
				_, ok := st.message(c, step.Turn)
				return ok
			})
		case NeedResponses:
			var q Question
			if q, err = Respond(c, step, o, policies...); err == nil {
				err = l.AppendNew(Record{Question: &q})
			}
		case NeedVote:
			err = s.wait(Ask{Question: &step.Asked}, func(st *State, who string) bool {
				_, ok := st.Vote(step.Asked.ID, who)
				if ok {
					labeller = who
				}
				return ok
			})
		case NeedRating:
			err = s.wait(Ask{Rating: &c}, func(st *State, who string) bool {
				_, ok := st.Rating(c.ID, who)
				return ok
			})
		}
		over := step.Need == NeedNothing || errors.Is(err, ErrNobody) && labeller == SimulatedName
		if over {
			return st.dialogue(c, labeller, step.Prompt), nil
		}
		if err != nil {
			return Dialogue{}, err
		}
	}
}

// dialogue collects what came of a conversation.
func (s *State) dialogue(c Conversation, labeller, text string) Dialogue {
	d := Dialogue{Conversation: c, Text: text}
	for _, q := range s.Questions {
		if v, ok := s.Vote(q.ID, labeller); ok && q.Conversation == c.ID {
			d.Answers = append(d.Answers, Answer{q, v})
		}
	}
	d.Rating, _ = s.Rating(c.ID, labeller)
	return d
}

// Respond has the policies write the two responses that a step of a conversation needs:
// one policy both, or two policies one each. Their order is random.
func Respond(c Conversation, step Step, o rlhf.Sampling, policies ...Policy) (Question, error) {
	q := Question{Conversation: c.ID, Turn: step.Turn, Mode: c.Mode, Prompt: step.Prompt}
	if len(policies) != 1 && len(policies) != 2 {
		return q, fmt.Errorf("feedback: a conversation with %d policies, want one or two", len(policies))
	}
	const draws = 4
	seed := o.Seed
	for draw := range draws {
		h := fnv.New64a()
		fmt.Fprint(h, seed, " ", c.questionID(step.Turn, step.Try), " ", draw)
		o.Seed = h.Sum64()
		var texts, from []string
		for i, p := range policies {
			prompts := []string{step.Prompt, step.Prompt}[i:]
			if len(policies) == 2 {
				prompts = prompts[:1]
			}
			samples, err := p.Sample(prompts, o)
			if err != nil {
				return q, fmt.Errorf("feedback: %s: %w", policyName(p, i), err)
			}
			if len(samples) != len(prompts) {
				return q, fmt.Errorf("feedback: %s wrote %d responses, want %d", policyName(p, i), len(samples), len(prompts))
			}
			for _, s := range samples {
				// What stands behind the response would be somebody else's turn.
				text, _, _ := strings.Cut(s.Response, rlhf.Human)
				text, _, _ = strings.Cut(text, rlhf.Assistant)
				texts, from = append(texts, text), append(from, policyName(p, i))
			}
		}
		if strings.TrimSpace(texts[0]) == strings.TrimSpace(texts[1]) {
			continue
		}
		q.A, q.B, q.FromA, q.FromB = texts[0], texts[1], from[0], from[1]
		q = q.Named() // which draws the order
		q.ID = c.questionID(step.Turn, step.Try)
		return q, nil
	}
	return q, fmt.Errorf("feedback: %s wrote the same response %d times to %s; raise its temperature, or ask something else",
		policyName(policies[0], 0), 2*draws, excerpt(strings.TrimSpace(step.Prompt)))
}

// policyName is how a log calls a policy: by its run and step, or by its place.
func policyName(p Policy, i int) string {
	if r, ok := p.(interface{ Info() (rlhf.RunInfo, error) }); ok {
		if info, err := r.Info(); err == nil {
			return fmt.Sprintf("%s@%d", info.Name, info.Step)
		}
	}
	return fmt.Sprintf("policy %d", i+1)
}
