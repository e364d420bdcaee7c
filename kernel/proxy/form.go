package proxy

import (
	"fmt"
	"strings"

	"hhrlhf/kernel/feedback"
)

// questionWidget is a comparison: the texts, eight buttons from A to B, skip, and a place
// to write a response anew.
func (p *Proxy) questionWidget(w *widget) []*model {
	q := *w.ask.Question
	texts := p.html(w, q.HTML())
	task := p.html(w, "<b>"+q.Mode.Task()+"</b>")

	layout := p.openModel(w, laidOut(map[string]any{"width": "auto", "flex": "1 1 0", "min_width": "4em", "margin": "2px"}))
	var row []*model
	for n := 1; n <= feedback.Buttons; n++ {
		side, strength := feedback.Button(n)
		v := feedback.Vote{Question: q.ID, Labeller: w.ask.Labeller, Pick: side, Strength: strength, By: "widget"}
		b := p.button(w, layout, strings.ToUpper(string(side))+" "+feedback.Degree(strength), v.Words(q.Mode))
		p.updateModel(w.parent, b.style, map[string]any{"button_color": feedback.Tint(side, strength)})
		b.click = func(m *Message) { p.vote(m, w, b, v) }
		row = append(row, b)
	}
	layout = p.openModel(w, laidOut(map[string]any{"width": "auto", "margin": "2px"}))
	skip := p.button(w, layout, "Skip", "pass this question over")
	skip.click = func(m *Message) {
		p.vote(m, w, skip, feedback.Vote{Question: q.ID, Labeller: w.ask.Labeller, Skip: true, By: "widget"})
	}
	below := []*model{skip}
	out := []*model{texts, task, p.box(w, "HBox", row...)}
	if q.Mode == feedback.Helpful {
		edits, editor := p.editor(w, layout)
		below, out = append(below, edits...), append(out, editor)
	}
	return append(out, p.box(w, "HBox", below...))
}

// editor is a field in which a response is written anew, hidden until one of the buttons
// beside it is pressed.
func (p *Proxy) editor(w *widget, layout *model) (buttons []*model, field *model) {
	q, side := *w.ask.Question, feedback.A
	area := p.textarea(w, "")
	save := p.button(w, layout, "Save the edit", "your version beats the original; then choose between A and B")
	shown := p.openModel(w, laidOut(map[string]any{"display": "none"}))
	field = p.box(w, "VBox", area, p.box(w, "HBox", save))
	p.updateModel(w.parent, field, map[string]any{"layout": shown.reference()})
	for _, s := range []feedback.Side{feedback.A, feedback.B} {
		name := strings.ToUpper(string(s))
		b := p.button(w, layout, "Edit "+name, "write response "+name+" as it should be")
		b.click = func(m *Message) {
			side = s
			p.updateModel(m, area, map[string]any{"value": strings.TrimSpace(q.Response(s))})
			p.updateModel(m, shown, map[string]any{"display": "flex"})
		}
		buttons = append(buttons, b)
	}
	save.click = func(m *Message) {
		text, _ := area.state["value"].(string)
		e := feedback.Edit{Question: q.ID, Labeller: w.ask.Labeller, Side: side, Text: text}
		p.record(m, w, func() {
			p.updateModel(m, shown, map[string]any{"display": "none"})
			p.say(m, w, fmt.Sprintf("Your version of %s is recorded. Now choose between A and B.", strings.ToUpper(string(side))))
		}, feedback.Record{Question: &q}, feedback.Record{Edit: &e})
	}
	return buttons, field
}

// vote records what a button says, and closes the question.
func (p *Proxy) vote(m *Message, w *widget, pressed *model, v feedback.Vote) {
	q := *w.ask.Question
	p.record(m, w, func() {
		p.updateModel(m, pressed.style, map[string]any{"button_color": nil})
		p.updateModel(m, pressed, map[string]any{"button_style": "success", "description": fmt.Sprint(pressed.state["description"], " ✓")})
		p.answered(m, w, feedback.ResultHTML(q, v), feedback.ResultText(q, v))
	}, feedback.Record{Question: &q}, feedback.Record{Vote: &v})
}

// messageWidget is a field for what the labeller says next.
func (p *Proxy) messageWidget(w *widget) []*model {
	a := *w.ask.Message
	area := p.textarea(w, "What do you say to the assistant?")
	send := p.button(w, p.openModel(w, laidOut(map[string]any{"width": "auto"})), "Send", "")
	send.click = func(m *Message) {
		text, _ := area.state["value"].(string)
		said := feedback.Message{Conversation: a.Conversation.ID, Turn: a.Turn, Text: text}
		p.record(m, w, func() { p.answered(m, w, feedback.SaidHTML(said), feedback.SaidText(said)) },
			feedback.Record{Conversation: &a.Conversation}, feedback.Record{Message: &said})
	}
	return []*model{p.html(w, feedback.DialogueHTML(a)), area, p.box(w, "HBox", send)}
}

// ratingWidget is a row of 1 to 5 for each question about a conversation.
func (p *Proxy) ratingWidget(w *widget) []*model {
	c := *w.ask.Rating
	var out []*model
	rows := map[string]*model{}
	for _, l := range c.Mode.Likert() {
		toggles := p.openModel(w, state("ToggleButtons", "ToggleButtonsView", map[string]any{
			"_options_labels": []string{"1", "2", "3", "4", "5"}, "index": nil, "button_style": "", "disabled": false,
			"tooltips": []string{l.Low, "", "", "", l.High}, "icons": []string{}, "description": "", "description_allow_html": false,
			"layout": p.openModel(w, laidOut(nil)).reference(), "style": p.openModel(w, styled("ToggleButtonsStyle")).reference()}))
		rows[l.Name] = toggles
		w.inputs = append(w.inputs, toggles)
		out = append(out, p.html(w, fmt.Sprintf("<b>%s</b> (1: %s, 5: %s)", l.Text, l.Low, l.High)), toggles)
	}
	comment := p.textarea(w, "Anything to add? (may stay empty)")
	send := p.button(w, p.openModel(w, laidOut(map[string]any{"width": "auto"})), "Send", "")
	send.click = func(m *Message) {
		r := feedback.Rating{Conversation: c.ID, Labeller: w.ask.Labeller, Answers: map[string]int{}}
		r.Comment, _ = comment.state["value"].(string)
		for name, row := range rows {
			if n, ok := row.state["index"].(float64); ok {
				r.Answers[name] = int(n) + 1
			}
		}
		p.record(m, w, func() { p.answered(m, w, feedback.RatedHTML(r), feedback.RatedText(r)) },
			feedback.Record{Conversation: &c}, feedback.Record{Rating: &r})
	}
	return append(out, comment, p.box(w, "HBox", send))
}
