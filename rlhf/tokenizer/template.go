package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hhrlhf/rlhf"
)

// A Template lays out a dialogue as a chat model was trained to see it. The zero
// value is the paper's layout, "\n\nHuman:" and "\n\nAssistant:", by the rule of
// [EncodePrompt]; any other is a chat template in Jinja, as tokenizer_config.json
// and GGUF files have them.
type Template struct {
	Name   string // one of the names of [Templates], "" for the paper's, or "custom"
	Source string // the Jinja text; "" for the paper's
}

// ParseTemplate returns the template of a Jinja text, as
// [BPE.ChatTemplate] returns it; "" gives the paper's. Its name is that of the
// known template with the same layout, else "custom". It is an error if the text
// is no template or lays out no dialogue, and if it is nested deeper, makes longer
// texts or takes more time than any published one: it may come from anyone.
func ParseTemplate(source string) (Template, error) {
	if source == "" {
		return Template{}, nil
	}
	t := Template{Name: "custom", Source: source}
	text, err := t.probe()
	if err != nil {
		return Template{}, fmt.Errorf("tokenizer: chat template %.200q: %w", source, err)
	}
	for _, known := range Templates() {
		if want, err := known.probe(); err == nil && want == text && known.Source != "" {
			t.Name = known.Name
			break
		}
	}
	return t, nil
}

// probe renders a short dialogue, by which layouts are told apart.
func (t Template) probe() (string, error) {
	if t.Source == "" {
		return "", nil
	}
	compiled, err := parseJinja(t.Source)
	if err != nil {
		return "", err
	}
	text, err := render(compiled, jinjaValues([]rlhf.Turn{{Text: "Q"}, {Assistant: true, Text: "A"}, {Text: "R"}}, "", "<s>", "</s>", true))
	if err == nil && !(strings.Contains(text, "Q") && strings.Contains(text, "R")) {
		err = fmt.Errorf("it leaves out what the user says: %.200q", text)
	}
	return text, err
}

// Encode returns the ids of a dialogue, up to where the assistant speaks. turns
// begins and ends with the human's and is not empty; system, if not "", is the
// system prompt, in place of the one that the template may have. Names of special
// tokens inside the turns or system are ordinary text: nobody ends a turn by
// writing "<|im_end|>". In all else the ids equal those of the transformers
// library's apply_chat_template.
//
// Special tokens that the layout names and tk lacks are encoded as text, as
// Zephyr's "<|user|>" always is. An error says why the template refuses the
// dialogue.
func (t Template) Encode(tk Tokenizer, turns []rlhf.Turn, system string) ([]int32, error) {
	if len(turns) == 0 || turns[len(turns)-1].Assistant {
		return nil, errors.New("tokenizer: the last of the turns must be the human's, for the assistant to answer")
	}
	if t.Source == "" {
		return EncodePrompt(tk, paperText(turns, system)), nil
	}
	ids, _, err := t.encode(tk, turns, system, true)
	return ids, err
}

// Stop returns the ids that end the assistant's turn: the tokenizer's end token,
// and the token that the template writes there if that is another.
func (t Template) Stop(tk Tokenizer) []int32 {
	stop := []int32{tk.EOS()}
	if t.Source == "" {
		return stop
	}
	const answer = "A"
	ids, v, err := t.encode(tk, []rlhf.Turn{{Text: "Q"}, {Assistant: true, Text: answer}}, "", false)
	if err != nil {
		return stop
	}
	for _, id := range slices.Backward(ids) { // the last special token follows the answer
		if v.special[id] {
			if id != tk.EOS() && id != tk.Pad() && id != v.bos {
				stop = append(stop, id)
			}
			break
		}
		if strings.TrimFunc(v.pieces[id], unicode.IsSpace) != "" {
			break // the answer: no token of its own ends it
		}
	}
	return stop
}

// paperText is the paper's layout.
func paperText(turns []rlhf.Turn, system string) string {
	var s strings.Builder
	s.WriteString(system)
	for _, t := range turns {
		mark := rlhf.Human
		if t.Assistant {
			mark = rlhf.Assistant
		}
		s.WriteString(mark + " " + t.Text)
	}
	s.WriteString(rlhf.Assistant)
	return s.String()
}

// jinjaValues are the variables that the transformers library gives a template.
func jinjaValues(turns []rlhf.Turn, system, bos, eos string, answer bool) map[string]any {
	var messages []any
	if system != "" {
		messages = append(messages, map[string]any{"role": "system", "content": system})
	}
	for _, t := range turns {
		role := "user"
		if t.Assistant {
			role = "assistant"
		}
		messages = append(messages, map[string]any{"role": role, "content": t.Text})
	}
	return map[string]any{"messages": messages, "add_generation_prompt": answer,
		"bos_token": bos, "eos_token": eos, "tools": nil, "documents": nil}
}

// encode renders the dialogue and finds the special tokens that the template
// wrote. Those in the turns are kept from being found by a rune behind their
// first character that occurs nowhere else.
func (t Template) encode(tk Tokenizer, turns []rlhf.Turn, system string, answer bool) ([]int32, *vocabulary, error) {
	has, ok := tk.(interface{ table() *vocabulary })
	if !ok {
		return nil, nil, fmt.Errorf("tokenizer: a %T has no special tokens to lay out a chat with", tk)
	}
	v := has.table()
	compiled, err := parseJinja(t.Source)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: chat template %q: %w", t.Name, err)
	}
	all := system + t.Source
	for _, turn := range turns {
		all += turn.Text
	}
	r := rune(0x10FFFD) // private use
	for strings.ContainsRune(all, r) {
		r--
	}
	guard := string(r)
	var names []string // replaced in this order: the longest first
	for _, a := range v.added {
		if a.special {
			names = append(names, a.content)
		}
	}
	slices.SortStableFunc(names, func(x, y string) int { return len(y) - len(x) })
	var pairs []string
	for _, name := range names {
		_, n := utf8.DecodeRuneInString(name)
		pairs = append(pairs, name, name[:n]+guard+name[n:])
	}
	protect := strings.NewReplacer(pairs...)
	guarded := make([]rlhf.Turn, len(turns))
	for i, turn := range turns {
		guarded[i] = rlhf.Turn{Assistant: turn.Assistant, Text: protect.Replace(turn.Text)}
	}
	bos := ""
	if v.bos >= 0 {
		bos = v.pieces[v.bos]
	}
	text, err := render(compiled, jinjaValues(guarded, protect.Replace(system), bos, v.pieces[v.eos], answer))
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: chat template %q: %w", t.Name, err)
	}
	return v.encode(nil, text, &v.parsed, true, guard), v, nil
}
