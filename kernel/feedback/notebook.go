package feedback

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hhrlhf/kernel/display"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// replyWithin is how long a proxy may take to say what became of an ask. A kernel without
// our proxy never does.
const replyWithin = 5 * time.Second

// show puts an ask where the labeller sees it and says how that went: AsWidget is to be
// waited for, Refused to be asked as text, Nobody to be simulated.
func (s *Session) show(a *Ask) (Shown, error) {
	a.Log, a.Labeller = s.path, s.o.Labeller
	s.mu.Lock()
	nobody, text := s.nobody, s.text
	s.mu.Unlock()
	switch s.o.How {
	case Simulated:
		return Nobody, nil
	case Input:
		return Refused, nil
	case Elsewhere:
		return AsWidget, nil
	case Auto, Widget:
	default:
		return "", fmt.Errorf("feedback: How = %q ($%s), want %q, %q, %q, %q or none", s.o.How, HowEnv, Widget, Input, Simulated, Elsewhere)
	}
	switch {
	case !gonbui.IsNotebook && s.o.How == Widget:
		return "", fmt.Errorf("feedback: How = %q outside of a notebook; leave it out, and the terminal asks", Widget)
	case !gonbui.IsNotebook || text:
		return Refused, nil
	case nobody:
		return Nobody, nil
	}
	how, err := s.send(a)
	s.mu.Lock()
	s.nobody, s.text = how == Nobody, how == Refused
	s.mu.Unlock()
	return how, err
}

// send hands an ask to the kernel's proxy and waits for its word.
func (s *Session) send(a *Ask) (Shown, error) {
	if a.Reply == "" {
		dir, err := os.MkdirTemp("", "rlhf-ask-")
		if err != nil {
			return "", fmt.Errorf("feedback: %w", err)
		}
		defer os.RemoveAll(dir)
		a.Reply = filepath.Join(dir, "reply")
	}
	content, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("feedback: %w", err)
	}
	gonbui.SendData(&protocol.DisplayData{Metadata: map[string]any{}, Data: map[protocol.MIMEType]any{
		MIME: string(content), protocol.MIMETextPlain: "A question for a labeller. It is asked in text, because this kernel has no proxy.",
	}})
	display.Flush()
	for deadline := time.Now().Add(replyWithin); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if how := a.answered(); how != "" {
			return how, nil
		}
	}
	return Refused, nil
}

// display shows what is to stay in the notebook, or prints its text.
func (s *Session) display(html, text string) {
	if !gonbui.IsNotebook {
		s.print("%s", text)
		return
	}
	gonbui.SendData(&protocol.DisplayData{Metadata: map[string]any{}, Data: map[protocol.MIMEType]any{
		protocol.MIMETextHTML: html, protocol.MIMETextPlain: text,
	}})
	display.Flush()
}
