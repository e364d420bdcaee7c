package local

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/distill"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// A speaker is a loaded run that can be asked.
type speaker interface {
	in(l *Lab)
	answer(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
	stream(prompt string, o rlhf.Sampling) iter.Seq2[string, error]
	chat(turns []rlhf.Turn, o rlhf.Sampling) iter.Seq2[string, error]
	read(text string) ([]rlhf.Token, error)
	logP(ts []rlhf.Transcript) ([]float64, error)
	pieces(ts []rlhf.Transcript) ([]rlhf.Prediction, error)
	Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error)
	evaluate() (rlhf.LMEval, error)
	evaluateOn(data string, rows int) (rlhf.LMEval, error)
}

// A voice is a Model of a loaded run: its weights are those of the moment, and
// whoever asks it holds the device already.
type voice struct {
	*Model
	context int                                      // tokens of a row in evaluation
	judge   func(prompt, response string) *rlhf.Gold // nil where nobody knows the truth
}

// newVoice gives a loaded run of the language g a voice.
func (l *Lab) newVoice(name string, g *language, weights func() []*tensors.Tensor) *voice {
	m := l.newModel(name)
	m.speaks(g, nil)
	m.live = weights
	return &voice{Model: m, context: g.context}
}

// in says in which lab the next calls happen: a run stays loaded for longer than
// the context of the call that loaded it.
func (v *voice) in(l *Lab) { v.lab = l }

// mostTokens is how long a response may be unless Sampling says otherwise.
const mostTokens = 64

// generation is what o asks for where the prompt has n tokens.
func (v *voice) generation(o rlhf.Sampling, n int) Generation {
	g := Generation{Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MaxTokens: o.MaxTokens, Seed: o.Seed}
	switch {
	case o.Temperature == 0:
		g.Temperature = 1
	case o.Temperature < 0:
		g.Temperature = 0
	}
	if g.MaxTokens == 0 {
		g.MaxTokens = max(1, min(mostTokens, v.Shape.Context-n))
	}
	return g
}

// answer writes one response to each prompt, with gold labels where there are any.
func (v *voice) answer(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	if len(prompts) == 0 {
		return nil, errors.New("local: Sample: no prompts")
	}
	ids, longest := make([][]int32, len(prompts)), 0
	for i, p := range prompts {
		var err error
		if ids[i], err = v.prompt(p, o.MaxTokens); err != nil {
			return nil, fmt.Errorf("local: Sample: prompt %d: %w", i, err)
		}
		longest = max(longest, len(ids[i]))
	}
	written, err := v.Continue(ids, v.generation(o, longest), nil)
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Sample, len(prompts))
	for i, w := range written {
		out[i] = rlhf.Sample{Prompt: prompts[i], Response: w.Text, Tokens: w.Tokens, EOS: w.Ended}
		// The question that counts is the last one, if others stand before it on a page.
		question := prompts[i][max(0, strings.LastIndex(prompts[i], distill.Separator)):]
		question = strings.TrimPrefix(question, distill.Separator)
		if v.judge != nil && strings.HasPrefix(question, rlhf.Human) && strings.HasSuffix(question, rlhf.Assistant) {
			out[i].Gold = v.judge(question, w.Text)
		}
	}
	return out, nil
}

// prompt returns the ids of a prompt. A dialogue in the paper's format loses its
// oldest turns where it is too long for the context; a page of dialogues and
// other text may not be.
func (m *Model) prompt(p string, response int) ([]int32, error) {
	room := m.Shape.Context - max(response, 1)
	page := strings.Contains(p, distill.Separator)
	if !page && strings.HasPrefix(p, rlhf.Human) && strings.HasSuffix(p, rlhf.Assistant) {
		if ids, _, ok := tokenizer.FitPrompt(m.Tokenizer, p, room); ok {
			return ids, nil
		}
		return nil, fmt.Errorf("its last question alone does not leave room in the model's context of %d tokens", m.Shape.Context)
	}
	ids := m.Text(p)
	if page {
		ids = distill.Encode(m.Tokenizer, p, m.Family == FamilyRun)
	}
	switch {
	case len(ids) == 0:
		return nil, errors.New("it is empty")
	case len(ids) > room:
		return nil, fmt.Errorf("it has %d tokens, more than the %d that the model's context of %d leaves", len(ids), room, m.Shape.Context)
	}
	return ids, nil
}

func (v *voice) stream(prompt string, o rlhf.Sampling) iter.Seq2[string, error] {
	ids, err := v.prompt(prompt, o.MaxTokens)
	if err != nil {
		return failing(fmt.Errorf("local: Stream: %w", err))
	}
	return v.Model.Stream(v.lab.ctx, ids, v.generation(o, len(ids)))
}

func (v *voice) chat(turns []rlhf.Turn, o rlhf.Sampling) iter.Seq2[string, error] {
	if len(turns) == 0 || turns[len(turns)-1].Assistant {
		return failing(errors.New("local: Chat: the last of the turns must be the human's, which is answered"))
	}
	response := o.MaxTokens
	if response == 0 {
		response = min(mostTokens, v.Shape.Context/2)
	}
	ids, _, err := v.Layout(turns, "", v.Shape.Context-response)
	if err != nil {
		return failing(err)
	}
	g := v.generation(o, len(ids))
	g.Chat = true
	return v.Model.Stream(v.lab.ctx, ids, g)
}

func failing(err error) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", err) }
}

// guesses is how many next tokens are listed.
const guesses = 5

func (v *voice) read(text string) ([]rlhf.Token, error) {
	ids := v.Text(text)
	if len(ids) == 0 {
		return nil, errors.New("local: Read: the text is empty")
	}
	places, err := v.lab.askPrograms(v.Shape).reader.Read(v.live(), ids, guesses)
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Token, len(places))
	for i, p := range places {
		out[i] = rlhf.Token{ID: ids[i], Piece: v.Tokenizer.Piece(ids[i]), LogP: p.LogP, Rank: p.Rank}
		for j, id := range p.Top {
			out[i].Next = append(out[i].Next, rlhf.Guess{ID: id, Piece: v.Tokenizer.Piece(id), LogP: p.LogPs[j], Logit: p.Logits[j]})
		}
	}
	return out, nil
}

func (v *voice) logP(ts []rlhf.Transcript) ([]float64, error) {
	out := make([]float64, 0, len(ts))
	for p, err := range v.Predict(passages(ts, true), 0) {
		if err != nil {
			return nil, err
		}
		out = append(out, -p.Nats)
	}
	return out, nil
}

// pieces predicts each response as a piece of text, without an end token.
func (v *voice) pieces(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	for i, t := range ts {
		if t.Prompt == "" || t.Response == "" {
			return nil, fmt.Errorf("local: Predict: transcript %d has %d bytes of prompt and %d of response, want a text and what follows it", i, len(t.Prompt), len(t.Response))
		}
	}
	out := make([]rlhf.Prediction, 0, len(ts))
	for p, err := range v.Predict(passages(ts, false), rlhf.PieceTokens) {
		if err != nil {
			return nil, err
		}
		out = append(out, rlhf.Prediction{LogP: -p.Nats, Tokens: p.Tokens, First: p.Right})
	}
	return out, nil
}

// passages are the responses of transcripts behind their prompts.
func passages(ts []rlhf.Transcript, end bool) iter.Seq2[Passage, error] {
	return func(yield func(Passage, error) bool) {
		for _, t := range ts {
			if !yield(Passage{Context: t.Prompt, Text: t.Response, End: end}, nil) {
				return
			}
		}
	}
}

// measure evaluates rows that stand for so many bytes of text.
func (v *voice) measure(rows lm.Rows, bytes int) (rlhf.LMEval, error) {
	e, err := v.lab.askPrograms(v.Shape).evaluator.Evaluate(v.live(), rows)
	return rlhf.LMEval{Tokens: e.Tokens, Loss: e.Loss, SE: e.SE, PerByte: e.PerByte(max(bytes, 1))}, err
}

// evaluateOn measures the loss on other data: on what is held out of it, by the
// same rule as in training, so that a model trained on it has not seen that.
func (v *voice) evaluateOn(data string, rows int) (rlhf.LMEval, error) {
	cfg := rlhf.LM{Data: data}.Filled()
	src, err := v.lab.openReading(cfg)
	if err != nil {
		return rlhf.LMEval{}, err
	}
	defer src.close()
	held := src.held
	if rows > 0 {
		held = held[:min(rows, len(held))]
	}
	bytes := 0
	for _, text := range held {
		bytes += len(text)
	}
	return v.measure(lm.Pack(src.encode(v.Tokenizer, held), v.context, v.Tokenizer.Pad()), bytes)
}
