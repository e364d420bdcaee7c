package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
)

// A task is what the page shows next.
type task struct {
	Need     feedback.Need     `json:"need"`
	Mode     feedback.Mode     `json:"mode,omitempty"`
	Task     string            `json:"task,omitempty"` // the instruction
	About    string            `json:"about,omitempty"`
	Turns    []turn            `json:"turns"` // the dialogue so far
	Question string            `json:"question,omitempty"`
	A        string            `json:"a,omitempty"`
	B        string            `json:"b,omitempty"`
	EditA    string            `json:"edit_a,omitempty"` // the labeller's own versions
	EditB    string            `json:"edit_b,omitempty"`
	Talk     string            `json:"conversation,omitempty"`
	Turn     int               `json:"turn,omitempty"`
	Of       int               `json:"of,omitempty"`
	Likert   []feedback.Likert `json:"likert,omitempty"`
	Previous *feedback.Vote    `json:"previous,omitempty"` // of a question that is shown again
	Done     int               `json:"done"`               // questions that the labeller has answered
	Left     int               `json:"left"`               // questions of the log that wait
	Labeller string            `json:"labeller,omitempty"` // suggested, where none was given
}

type turn struct {
	Assistant bool   `json:"assistant"`
	Text      string `json:"text"`
}

// next answers with the labeller's next task, or with a question that is asked for.
func (s *server) next(w http.ResponseWriter, r *http.Request) {
	labeller := strings.TrimSpace(r.URL.Query().Get("labeller"))
	if simulated(w, labeller) {
		return
	}
	if labeller == "" {
		reply(w, task{Need: "name", Labeller: s.o.Labeller})
		return
	}
	t, err := s.find(labeller, r.URL.Query().Get("question"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, t)
}

// find finds the labeller's next task: first the questions of the log, then a conversation.
func (s *server) find(labeller, again string) (task, error) {
	st, err := s.o.Log.State()
	if err != nil {
		return task{}, err
	}
	var first *feedback.Question
	t := task{}
	for i, q := range st.Questions {
		v, voted := st.Vote(q.ID, labeller)
		if voted {
			t.Done++
		}
		if q.ID == again {
			t.asked(st, q, labeller)
			if voted {
				t.Previous = &v
			}
		}
		if !voted && (q.Conversation == "" || s.o.Review) {
			t.Left++
			if first == nil {
				first = &st.Questions[i]
			}
		}
	}
	switch {
	case again != "" && t.Question == "":
		return task{}, fmt.Errorf("the log has no question %.60q", again)
	case again != "":
		return t, nil
	case first != nil:
		t.asked(st, *first, labeller)
		return t, nil
	case len(s.o.Policies) == 0 || s.o.Review:
		t.Need = feedback.NeedNothing
		return t, nil
	}
	return s.talk(t, labeller)
}

// talk goes on with the labeller's conversation; the policy writes while it is called.
func (s *server) talk(t task, labeller string) (task, error) {
	s.talksM.Lock()
	if s.talks[labeller] == nil {
		s.talks[labeller] = &sync.Mutex{}
	}
	one := s.talks[labeller]
	s.talksM.Unlock()
	one.Lock() // two tabs of one labeller share one conversation
	defer one.Unlock()
	for {
		st, err := s.o.Log.State()
		if err != nil {
			return t, err
		}
		c := s.o.Conversation
		c.Labeller = labeller
		c = st.Resume(c)
		if err := s.o.Log.AppendNew(feedback.Record{Conversation: &c}); err != nil {
			return t, err
		}
		step := st.Step(c, labeller)
		t.Need, t.Mode, t.About, t.Talk, t.Turn, t.Of, t.Turns = step.Need, c.Mode, c.Task, c.ID, step.Turn, c.Turns, turns(step.Prompt)
		switch step.Need {
		case feedback.NeedResponses:
			q, err := feedback.Respond(c, step, s.o.Sampling, s.o.Policies...)
			if err == nil {
				err = s.o.Log.AppendNew(feedback.Record{Question: &q})
			}
			if err != nil {
				return t, err
			}
			continue
		case feedback.NeedVote:
			t.asked(st, step.Asked, labeller)
		case feedback.NeedRating:
			t.Likert = c.Mode.Likert()
		}
		return t, nil
	}
}

// asked fills a task with a question. Who wrote the responses is not told.
func (t *task) asked(st *feedback.State, q feedback.Question, labeller string) {
	t.Need, t.Mode, t.Task, t.Question = feedback.NeedVote, q.Mode, q.Mode.Task(), q.ID
	t.Turns, t.A, t.B = turns(q.Prompt), strings.TrimSpace(q.A), strings.TrimSpace(q.B)
	t.EditA, _ = st.Edit(q.ID, labeller, feedback.A)
	t.EditB, _ = st.Edit(q.ID, labeller, feedback.B)
}

func turns(prompt string) []turn {
	out := []turn{}
	for _, t := range (rlhf.Transcript{Prompt: strings.TrimSuffix(prompt, rlhf.Assistant)}).Turns() {
		out = append(out, turn{t.Assistant, t.Text})
	}
	return out
}

// maxBody bounds what a browser may say at once: a text and what JSON makes of it.
const maxBody = 2*feedback.MaxText + 1<<16

// say records a vote, an edit, a message or a rating. One that says what was said last is
// taken for a second press of the same key.
func (s *server) say(w http.ResponseWriter, r *http.Request) {
	var rec feedback.Record
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&rec); err != nil {
		status := http.StatusBadRequest
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "page: "+err.Error(), status)
		return
	}
	if simulated(w, labeller(rec)) {
		return
	}
	st, err := s.o.Log.State()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	rec.Time = time.Time{} // the clock is this machine's
	fresh := true
	switch {
	case rec.Conversation != nil || rec.Question != nil:
		err = errors.New("page: questions and conversations are the server's")
	case rec.Vote != nil:
		rec.Vote.By = "page"
		_, found := st.Question(rec.Vote.Question)
		if !found {
			err = fmt.Errorf("page: the log has no question %.60q", rec.Vote.Question)
		}
		last, voted := st.Vote(rec.Vote.Question, rec.Vote.Labeller)
		fresh = !voted || last != *rec.Vote
	case rec.Edit != nil:
		q, found := st.Question(rec.Edit.Question)
		if !found {
			err = fmt.Errorf("page: the log has no question %.60q", rec.Edit.Question)
		} else if q.Mode == feedback.RedTeam {
			err = errors.New("page: responses are edited in helpful mode only")
		}
		last, _ := st.Edit(rec.Edit.Question, rec.Edit.Labeller, rec.Edit.Side)
		fresh = last != rec.Edit.Text
	case rec.Message != nil:
		_, found := st.Conversation(rec.Message.Conversation)
		if !found {
			err = fmt.Errorf("page: the log has no conversation %.60q", rec.Message.Conversation)
		}
		for _, m := range st.Messages {
			if m.Conversation == rec.Message.Conversation && m.Turn == rec.Message.Turn {
				fresh = false
			}
		}
	case rec.Rating != nil:
		if _, found := st.Conversation(rec.Rating.Conversation); !found {
			err = fmt.Errorf("page: the log has no conversation %.60q", rec.Rating.Conversation)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if fresh {
		if err := s.o.Log.Append(rec); err != nil {
			status := http.StatusInternalServerError
			if feedback.IsBad(err) {
				status = http.StatusBadRequest
			}
			http.Error(w, err.Error(), status)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the browser is gone if it fails
}

// simulated refuses a labeller who has the name of simulated votes.
func simulated(w http.ResponseWriter, labeller string) bool {
	if labeller != feedback.SimulatedName {
		return false
	}
	http.Error(w, "page: "+labeller+" is the name of simulated votes; take another one.", http.StatusBadRequest)
	return true
}

// labeller is who says a record.
func labeller(r feedback.Record) string {
	switch {
	case r.Vote != nil:
		return r.Vote.Labeller
	case r.Edit != nil:
		return r.Edit.Labeller
	case r.Rating != nil:
		return r.Rating.Labeller
	}
	return ""
}
