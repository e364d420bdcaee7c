package proxy

import (
	"fmt"
	"slices"
	"time"

	"hhrlhf/kernel/feedback"
)

// A widget is an ask of a cell as controls on the screen. It outlives the cell.
type widget struct {
	ask     feedback.Ask
	parent  *Message // what its outputs answer: the cell
	display string   // display id
	shown   time.Time
	models  []*model
	inputs  []*model // those that are disabled once it is answered
	status  *model   // a line for news
	busy    bool     // its record is being written
	done    bool     // it is answered
}

// The most widgets that are kept: those that nobody answered may belong to outputs that are
// gone, and answered ones serve a page that was loaded again.
const (
	maxAnswered = 30
	maxOpen     = 200
)

// refuseWithin is how soon a front-end without widgets closes what it cannot show.
const refuseWithin = 10 * time.Second

// takeAsk serves a display with which a cell asks, and reports whether m is one.
func (p *Proxy) takeAsk(m *Message) bool {
	var d struct {
		Data map[string]any `json:"data"`
	}
	decode(m, &d)
	content, ok := d.Data[feedback.MIME].(string)
	if !ok {
		return false
	}
	a, err := feedback.ParseAsk(content)
	if err != nil {
		p.o.Log.Print(err)
		return false // the display's text says what it can
	}
	// What the widget shows answers what the display answers: as a rule the running cell.
	cell := &Message{Header: m.Parent, parts: [][]byte{m.parts[1]}}
	if c := p.running; c != nil && !c.asks {
		p.answerAsk(a, feedback.Nobody)
		return true
	}
	p.showWidget(&widget{ask: a, parent: cell, display: newID(), shown: time.Now()})
	p.answerAsk(a, feedback.AsWidget)
	p.dropOldest(false, maxOpen)
	return true
}

// answerAsk tells the cell what became of its ask.
func (p *Proxy) answerAsk(a feedback.Ask, s feedback.Shown) {
	p.work(func() error { return a.Answer(s) }, nil)
}

// dropOldest drops the oldest widgets that are answered, or that are not, until most of
// them are left.
func (p *Proxy) dropOldest(answered bool, most int) {
	var ws []*widget
	for _, w := range p.widgets.live {
		if w.done == answered && !w.busy {
			ws = append(ws, w)
		}
	}
	for ; len(ws) > most; ws = ws[1:] {
		p.dropWidget(ws[0])
	}
}

// refused is called when a front-end closes a model. One that can show none does so at
// once; later it only says that it needs the model no longer, and others may.
func (p *Proxy) refused(w *widget) {
	if w.done || time.Since(w.shown) > refuseWithin || !slices.Contains(p.widgets.live, w) {
		return
	}
	p.dropWidget(w)
	p.answerAsk(w.ask, feedback.Refused)
}

func (p *Proxy) dropWidget(w *widget) {
	p.closeModels(w.parent, w.models)
	p.widgets.live = slices.DeleteFunc(p.widgets.live, func(o *widget) bool { return o == w })
}

// showWidget puts controls on the screen.
func (p *Proxy) showWidget(w *widget) {
	p.widgets.live = append(p.widgets.live, w)
	var children []*model
	text := ""
	switch a := w.ask; {
	case a.Question != nil:
		children, text = p.questionWidget(w), a.Question.Text()
	case a.Message != nil:
		children, text = p.messageWidget(w), "What do you say?"
	default:
		children, text = p.ratingWidget(w), "How was the conversation?"
	}
	w.status = p.html(w, "")
	box := p.box(w, "VBox", append(children, w.status)...)
	p.publish("display_data", w.parent, map[string]any{
		"data": map[string]any{
			widgetMIME:   map[string]any{"version_major": 2, "version_minor": 0, "model_id": box.id},
			"text/plain": text + "(This front-end shows no buttons. To be asked in text: feedback.Options{How: feedback.Input}, or RLHF_FEEDBACK=input.)\n",
		},
		"metadata":  map[string]any{},
		"transient": map[string]any{"display_id": w.display},
	})
}

// record writes to the log, off the proxy's loop, and goes on with then when the records
// are on the disk. Presses that come meanwhile or after the answer are passed over.
func (p *Proxy) record(m *Message, w *widget, then func(), rs ...feedback.Record) {
	if w.busy || w.done {
		return
	}
	w.busy = true
	p.work(func() error {
		l, err := feedback.OpenLog(w.ask.Log)
		if err != nil {
			return err
		}
		return l.AppendNew(rs...)
	}, func(err error) {
		w.busy = false
		if err != nil {
			p.say(m, w, fmt.Sprintf("Not recorded, press again: %v", err))
			return
		}
		then()
	})
}

// answered disables a widget's controls and puts a line in its place that can be saved.
func (p *Proxy) answered(m *Message, w *widget, html, text string) {
	w.done = true
	for _, in := range w.inputs {
		p.updateModel(m, in, map[string]any{"disabled": true})
	}
	p.say(m, w, text)
	p.publish("update_display_data", w.parent, map[string]any{
		"data":      map[string]any{"text/html": html, "text/plain": text},
		"metadata":  map[string]any{},
		"transient": map[string]any{"display_id": w.display},
	})
	p.dropOldest(true, maxAnswered)
}

// say shows a line below a widget's controls.
func (p *Proxy) say(m *Message, w *widget, text string) {
	p.updateModel(m, w.status, map[string]any{"value": feedback.LineHTML(text)})
}
