package feedback

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"hhrlhf/rlhf"
)

// MaxText bounds a text of a record, in bytes.
const MaxText = 4 << 20

// maxName bounds an id and a labeller's name, in bytes.
const maxName = 200

// check reports what a record may not hold. What it refuses never gets into a log.
func (r Record) check() error {
	var c checker
	switch parts := r.parts(); {
	case len(parts) != 1:
		return fmt.Errorf("feedback: a record has %d parts (%s), want one", len(parts), strings.Join(parts, ", "))
	case r.Conversation != nil:
		p := r.Conversation
		c.name("conversation.id", p.ID)
		c.mode("conversation.mode", p.Mode)
		c.name("conversation.labeller", p.Labeller)
		c.text("conversation.task", p.Task)
		c.text("conversation.first", p.First)
		c.turnless("conversation.first", p.First)
		c.within("conversation.turns", p.Turns, 1, 1000)
	case r.Message != nil:
		p := r.Message
		c.name("message.conversation", p.Conversation)
		c.within("message.turn", p.Turn, 1, 1000)
		c.text("message.text", p.Text)
		c.want(strings.TrimSpace(p.Text) != "", "message.text", "empty", "something to say")
		c.turnless("message.text", p.Text)
	case r.Question != nil:
		p := r.Question
		c.name("question.id", p.ID)
		c.mode("question.mode", p.Mode)
		for name, s := range map[string]string{"prompt": p.Prompt, "a": p.A, "b": p.B, "from_a": p.FromA, "from_b": p.FromB} {
			c.text("question."+name, s)
		}
		c.want(strings.HasPrefix(p.Prompt, rlhf.Human) && strings.HasSuffix(p.Prompt, rlhf.Assistant), "question.prompt", excerpt(p.Prompt),
			fmt.Sprintf("a dialogue from %q to %q; Prompt makes one of a message", rlhf.Human, rlhf.Assistant))
	case r.Vote != nil:
		p := r.Vote
		c.name("vote.question", p.Question)
		c.name("vote.labeller", p.Labeller)
		if p.Skip {
			c.want(p.Pick == "" && p.Strength == 0, "vote.pick", string(p.Pick), "none where the question is skipped")
		} else {
			c.side("vote.pick", p.Pick)
			c.within("vote.strength", p.Strength, 1, Strongest)
		}
	case r.Edit != nil:
		p := r.Edit
		c.name("edit.question", p.Question)
		c.name("edit.labeller", p.Labeller)
		c.side("edit.side", p.Side)
		c.text("edit.text", p.Text)
		c.want(strings.TrimSpace(p.Text) != "", "edit.text", "empty", "a response")
		c.turnless("edit.text", p.Text)
	case r.Rating != nil:
		p := r.Rating
		c.name("rating.conversation", p.Conversation)
		c.name("rating.labeller", p.Labeller)
		c.text("rating.comment", p.Comment)
		c.within("the number of rating.answers", len(p.Answers), 0, 20)
		for name, n := range p.Answers {
			c.name("rating.answers", name)
			c.within("rating.answers."+excerpt(name), n, 1, 5)
		}
	}
	return c.err
}

// parts names the parts that are set.
func (r Record) parts() []string {
	var out []string
	for name, set := range map[string]bool{"conversation": r.Conversation != nil, "message": r.Message != nil, "question": r.Question != nil,
		"vote": r.Vote != nil, "edit": r.Edit != nil, "rating": r.Rating != nil} {
		if set {
			out = append(out, name)
		}
	}
	return out
}

// A checker keeps the first fault that it finds.
type checker struct{ err error }

func (c *checker) want(ok bool, field, value, bound string) {
	if !ok && c.err == nil {
		c.err = fmt.Errorf("feedback: %s is %s, want %s", field, value, bound)
	}
}

func (c *checker) name(field, s string) {
	c.want(strings.TrimSpace(s) != "", field, "empty", "a name")
	c.want(len(s) <= maxName, field, fmt.Sprintf("%d bytes long", len(s)), fmt.Sprintf("at most %d", maxName))
	c.want(!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), field, fmt.Sprintf("%.40q", s), "no control characters")
}

func (c *checker) text(field, s string) {
	c.want(len(s) <= MaxText, field, fmt.Sprintf("%d bytes long", len(s)), fmt.Sprintf("at most %d", MaxText))
}

// turnless wants a text that does not begin another turn, which the format could not tell
// from a real one.
func (c *checker) turnless(field, s string) {
	for _, mark := range []string{rlhf.Human, rlhf.Assistant} {
		c.want(!strings.Contains("\n\n"+strings.TrimSpace(s), mark), field, "a text with the line "+strings.TrimSpace(mark), "none: it would begin another turn")
	}
}

func (c *checker) mode(field string, m Mode) {
	c.want(m == Helpful || m == RedTeam, field, fmt.Sprintf("%.40q", string(m)), fmt.Sprintf("%q or %q", Helpful, RedTeam))
}

func (c *checker) side(field string, s Side) {
	c.want(s == A || s == B, field, fmt.Sprintf("%.40q", string(s)), fmt.Sprintf("%q or %q", A, B))
}

func (c *checker) within(field string, n, low, high int) {
	c.want(n >= low && n <= high, field, fmt.Sprint(n), fmt.Sprintf("%d to %d", low, high))
}

// valid replaces what is not UTF-8: JSON could not hold it.
func (r Record) valid() Record {
	fix := func(s *string) { *s = strings.ToValidUTF8(*s, string(utf8.RuneError)) }
	switch {
	case r.Conversation != nil:
		p := *r.Conversation
		fix(&p.Task)
		fix(&p.First)
		r.Conversation = &p
	case r.Message != nil:
		p := *r.Message
		fix(&p.Text)
		r.Message = &p
	case r.Question != nil:
		p := r.Question.valid()
		r.Question = &p
	case r.Edit != nil:
		p := *r.Edit
		fix(&p.Text)
		r.Edit = &p
	case r.Rating != nil:
		p := *r.Rating
		fix(&p.Comment)
		r.Rating = &p
	}
	return r
}

// valid is the question as a log can hold it.
func (q Question) valid() Question {
	for _, s := range []*string{&q.Prompt, &q.A, &q.B, &q.FromA, &q.FromB} {
		*s = strings.ToValidUTF8(*s, string(utf8.RuneError))
	}
	return q
}

// excerpt quotes the beginning of a text.
func excerpt(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		return fmt.Sprintf("%.40q...", s)
	}
	return fmt.Sprintf("%q", s)
}
