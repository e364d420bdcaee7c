package feedback

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MIME is the type of the display with which a cell asks; its content is an [Ask] as JSON.
// The kernel's proxy takes the display and puts controls in its place.
const MIME = "application/vnd.rlhf.ask+json"

// An Ask is a request of a cell for a labeller's answer, which goes into the log. Exactly
// one of Question, Message and Rating is set.
type Ask struct {
	Log      string        `json:"log"`      // absolute path
	Labeller string        `json:"labeller"` // whose answer it will be
	Reply    string        `json:"reply"`    // absolute path, where the proxy says what became of it
	Question *Question     `json:"question,omitempty"`
	Message  *MessageAsked `json:"message,omitempty"`
	Rating   *Conversation `json:"rating,omitempty"` // the conversation to be rated
}

// A MessageAsked is a question for what the labeller says next.
type MessageAsked struct {
	Conversation Conversation `json:"conversation"`
	Turn         int          `json:"turn"`   // from 1
	Prompt       string       `json:"prompt"` // the dialogue so far, "" before the first message
}

// ParseAsk reads the content of a display.
func ParseAsk(content string) (Ask, error) {
	var a Ask
	if err := json.Unmarshal([]byte(content), &a); err != nil {
		return a, fmt.Errorf("feedback: ask: %w", err)
	}
	parts := 0
	for _, set := range []bool{a.Question != nil, a.Message != nil, a.Rating != nil} {
		if set {
			parts++
		}
	}
	var c checker
	c.want(parts == 1, "ask", fmt.Sprintf("of %d parts", parts), "one of question, message and rating")
	c.want(filepath.IsAbs(a.Log), "ask.log", excerpt(a.Log), "an absolute path")
	c.want(a.Reply == "" || filepath.IsAbs(a.Reply), "ask.reply", excerpt(a.Reply), "an absolute path")
	c.name("ask.labeller", a.Labeller)
	if c.err == nil && a.Question != nil {
		c.err = Record{Question: a.Question}.check()
	}
	if c.err == nil && a.Rating != nil {
		c.err = Record{Conversation: a.Rating}.check()
	}
	if c.err == nil && a.Message != nil {
		c.err = Record{Conversation: &a.Message.Conversation}.check()
		c.within("ask.message.turn", a.Message.Turn, 1, 1000)
		c.text("ask.message.prompt", a.Message.Prompt)
	}
	return a, c.err
}

// A Shown is what became of an ask.
type Shown string

// What may become of an ask.
const (
	AsWidget Shown = "widget"  // controls are on the screen, or so the front-end was told
	Nobody   Shown = "nobody"  // the front-end runs without a user
	Refused  Shown = "refused" // the front-end can show no widgets
)

// Answer tells the cell what became of its ask. It is put in place whole.
func (a Ask) Answer(s Shown) error {
	if a.Reply == "" {
		return nil
	}
	tmp := a.Reply + ".new"
	err := os.WriteFile(tmp, []byte(s), 0o600)
	if err == nil {
		err = os.Rename(tmp, a.Reply)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the cell is gone, and its folder with it
	}
	return err
}

// answered reads what the proxy said; "" is nothing yet.
func (a Ask) answered() Shown {
	b, err := os.ReadFile(a.Reply)
	if err != nil {
		return ""
	}
	return Shown(b)
}
