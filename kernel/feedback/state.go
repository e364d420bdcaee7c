package feedback

import (
	"maps"
	"slices"
)

// A State is what a log amounts to. Lists are in the order of the log.
type State struct {
	Conversations []Conversation
	Questions     []Question
	Messages      []Message
	Ratings       []Rating

	question map[string]int             // index in Questions, by ID
	votes    map[string]map[string]Vote // by question and labeller
	edits    map[string]map[edited]string
	voters   []string
}

// edited says whose version of which response.
type edited struct {
	labeller string
	side     Side
}

func newState() *State {
	return &State{question: map[string]int{}, votes: map[string]map[string]Vote{}, edits: map[string]map[edited]string{}}
}

// clone is a state to add to while s stays as it is. Lists are clipped and inner maps are
// replaced by [State.add], never changed.
func (s *State) clone() *State {
	c := *s
	c.Conversations, c.Questions = slices.Clip(s.Conversations), slices.Clip(s.Questions)
	c.Messages, c.Ratings, c.voters = slices.Clip(s.Messages), slices.Clip(s.Ratings), slices.Clip(s.voters)
	c.question, c.votes, c.edits = maps.Clone(s.question), maps.Clone(s.votes), maps.Clone(s.edits)
	return &c
}

func (s *State) add(r Record) {
	switch {
	case r.Conversation != nil:
		if _, there := s.Conversation(r.Conversation.ID); !there {
			s.Conversations = append(s.Conversations, *r.Conversation)
		}
	case r.Message != nil:
		s.Messages = append(s.Messages, *r.Message)
	case r.Question != nil:
		// The first of an ID counts: votes were given on its texts.
		if _, there := s.question[r.Question.ID]; !there {
			s.question[r.Question.ID] = len(s.Questions)
			s.Questions = append(s.Questions, *r.Question)
		}
	case r.Vote != nil:
		v := *r.Vote
		votes := map[string]Vote{v.Labeller: v}
		for l, old := range s.votes[v.Question] {
			if l != v.Labeller {
				votes[l] = old
			}
		}
		s.votes[v.Question] = votes
		if !slices.Contains(s.voters, v.Labeller) {
			s.voters = append(s.voters, v.Labeller)
		}
	case r.Edit != nil:
		e := *r.Edit
		edits := map[edited]string{{e.Labeller, e.Side}: e.Text}
		for k, old := range s.edits[e.Question] {
			if _, newer := edits[k]; !newer {
				edits[k] = old
			}
		}
		s.edits[e.Question] = edits
	case r.Rating != nil:
		s.Ratings = append(s.Ratings, *r.Rating)
	}
}

// Conversation finds a conversation by its ID.
func (s *State) Conversation(id string) (Conversation, bool) {
	i := slices.IndexFunc(s.Conversations, func(c Conversation) bool { return c.ID == id })
	if i < 0 {
		return Conversation{}, false
	}
	return s.Conversations[i], true
}

// Question finds a question by its ID.
func (s *State) Question(id string) (Question, bool) {
	i, ok := s.question[id]
	if !ok {
		return Question{}, false
	}
	return s.Questions[i], true
}

// Labellers are all who voted, in the order of their first votes.
func (s *State) Labellers() []string { return slices.Clone(s.voters) }

// Vote is what a labeller last said of a question.
func (s *State) Vote(question, labeller string) (Vote, bool) {
	v, ok := s.votes[question][labeller]
	return v, ok
}

// Votes are the last votes on a question, by labeller.
func (s *State) Votes(question string) map[string]Vote { return maps.Clone(s.votes[question]) }

// Edit is a labeller's own version of a response.
func (s *State) Edit(question, labeller string, side Side) (string, bool) {
	e, ok := s.edits[question][edited{labeller, side}]
	return e, ok
}

// Rating is what a labeller last said of a conversation.
func (s *State) Rating(conversation, labeller string) (Rating, bool) {
	for _, r := range slices.Backward(s.Ratings) {
		if r.Conversation == conversation && r.Labeller == labeller {
			return r, true
		}
	}
	return Rating{}, false
}
