package proxy

import (
	"encoding/json"
	"maps"
	"slices"
)

// The proxy speaks the ipywidgets protocol (jupyter-widgets messaging version 2.1.0) for
// models of its own, so that they answer while a cell runs, after it has ended and after
// the page was loaded again. gonb knows nothing of them.

const (
	widgetTarget    = "jupyter.widget"
	controlTarget   = "jupyter.widget.control"
	widgetProtocol  = "2.1.0"
	baseModule      = "@jupyter-widgets/base"
	controlsModule  = "@jupyter-widgets/controls"
	modulesVersion  = "2.0.0"
	widgetMIME      = "application/vnd.jupyter.widget-view+json"
	referencePrefix = "IPY_MODEL_"
)

// A model is one ipywidgets model, known to front-ends by the id of its comm.
type model struct {
	id    string
	state map[string]any
	of    *widget
	style *model           // of a button
	click func(m *Message) // what a press of it does, nil for what is no button
}

// reference is how a model's state names another model.
func (m *model) reference() string { return referencePrefix + m.id }

// widgets are the models that live.
type widgets struct {
	models   map[string]*model
	controls map[string]bool // comms on which a front-end asks for all states
	live     []*widget       // oldest first
}

// state is that of a model of the controls module, which shows itself as view.
func state(name, view string, more map[string]any) map[string]any {
	s := map[string]any{
		"_model_module": controlsModule, "_model_module_version": modulesVersion, "_model_name": name + "Model",
		"_view_module": controlsModule, "_view_module_version": modulesVersion, "_view_name": view, "_view_count": nil,
	}
	maps.Copy(s, more)
	return s
}

// styled is the state of a style. Only classes that ipywidgets 7 has too will do: VS Code
// shows the widgets of every kernel but Python's with that version.
func styled(name string) map[string]any {
	return state(name, "StyleView", map[string]any{"_view_module": baseModule})
}

// laidOut is the state of a layout: CSS properties by their ipywidgets names.
func laidOut(more map[string]any) map[string]any {
	s := state("Layout", "LayoutView", map[string]any{"_model_module": baseModule, "_view_module": baseModule})
	maps.Copy(s, more)
	return s
}

// openModel makes a model known to the front-ends.
func (p *Proxy) openModel(w *widget, s map[string]any) *model {
	m := &model{id: newID(), state: s, of: w}
	if p.widgets.models == nil {
		p.widgets.models = map[string]*model{}
	}
	p.widgets.models[m.id] = m
	w.models = append(w.models, m)
	p.publishWith("comm_open", w.parent, map[string]any{"version": widgetProtocol},
		map[string]any{"comm_id": m.id, "target_name": widgetTarget, "data": map[string]any{"state": s, "buffer_paths": []string{}}})
	return m
}

// updateModel changes a model's state here and in the front-ends.
func (p *Proxy) updateModel(parent *Message, m *model, changes map[string]any) {
	maps.Copy(m.state, changes)
	p.commMessage(parent, m.id, map[string]any{"method": "update", "state": changes, "buffer_paths": []string{}})
}

func (p *Proxy) commMessage(parent *Message, id string, data map[string]any) {
	p.publish("comm_msg", parent, map[string]any{"comm_id": id, "data": data})
}

// closeModels forgets models, and tells the front-ends to.
func (p *Proxy) closeModels(parent *Message, ms []*model) {
	for _, m := range ms {
		delete(p.widgets.models, m.id)
		p.publish("comm_close", parent, map[string]any{"comm_id": m.id, "data": map[string]any{}})
	}
}

// publishWith is publish with metadata.
func (p *Proxy) publishWith(msgType string, parent *Message, metadata, content any) {
	m, err := p.key.New(p.session, msgType, parent, content)
	if err == nil {
		if m.parts[2], err = json.Marshal(metadata); err == nil {
			err = p.key.SetContent(m, content) // and signs
		}
	}
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	p.broadcast(m)
}

// A commContent is the content of the three comm messages, as far as it matters here.
type commContent struct {
	ID     string `json:"comm_id"`
	Target string `json:"target_name"`
	Data   struct {
		Method  string         `json:"method"`
		State   map[string]any `json:"state"`
		Content struct {
			Event string `json:"event"`
		} `json:"content"`
	} `json:"data"`
}

// takeComm serves a front-end's comm message if it is for a model or a control comm of the
// proxy; everything else is gonb's.
func (p *Proxy) takeComm(m *Message) bool {
	var c commContent
	decode(m, &c)
	it, ours := p.widgets.models[c.ID]
	_, theirs := p.comms[c.ID]
	switch {
	case m.Header.Type == "comm_open" && c.Target == controlTarget:
		if p.widgets.controls == nil {
			p.widgets.controls = map[string]bool{}
		}
		p.during(m, func() { p.widgets.controls[c.ID] = true })
	case p.widgets.controls[c.ID]:
		p.during(m, func() { p.serveControl(m, c) })
	case ours:
		p.during(m, func() { p.modelMessage(m, it, c) })
	case m.Header.Type == "comm_msg" && !theirs && slices.Contains([]string{"update", "custom", "request_state"}, c.Data.Method):
		// Of a widget that an earlier kernel showed: the front-end is told that it is gone.
		p.during(m, func() {
			p.publish("comm_close", m, map[string]any{"comm_id": c.ID, "data": map[string]any{}})
		})
	default:
		return false
	}
	return true
}

// during serves a message between busy and idle, which front-ends wait for before they
// send a model's next change. If a cell runs, busy is said once more for it.
func (p *Proxy) during(m *Message, do func()) {
	p.status(m, "busy")
	do()
	p.status(m, "idle")
	if p.running != nil {
		p.status(p.running.m, "busy")
	}
}

// serveControl serves a comm on which a front-end that was loaded again asks for everything
// (version 1 of the control protocol).
func (p *Proxy) serveControl(m *Message, c commContent) {
	switch {
	case m.Header.Type == "comm_close":
		delete(p.widgets.controls, c.ID)
	case c.Data.Method == "request_states":
		states := map[string]any{}
		for id, it := range p.widgets.models {
			states[id] = map[string]any{"model_name": it.state["_model_name"], "model_module": it.state["_model_module"],
				"model_module_version": it.state["_model_module_version"], "state": it.state}
		}
		p.commMessage(m, c.ID, map[string]any{"method": "update_states", "states": states, "buffer_paths": []any{}})
	}
}

// modelMessage serves what a front-end says to a model.
func (p *Proxy) modelMessage(m *Message, it *model, c commContent) {
	switch {
	case m.Header.Type == "comm_close":
		p.refused(it.of)
	case c.Data.Method == "request_state":
		p.commMessage(m, it.id, map[string]any{"method": "update", "state": it.state, "buffer_paths": []string{}})
	case c.Data.Method == "update":
		// Values are all that users change; what else comes is a front-end's own business.
		if v, ok := c.Data.State["value"].(string); ok && it.state["_model_name"] == "TextareaModel" {
			it.state["value"] = v
		} else if n, ok := c.Data.State["index"].(float64); ok && it.state["_model_name"] == "ToggleButtonsModel" {
			it.state["index"] = n
		}
	case c.Data.Method == "custom" && c.Data.Content.Event == "click" && it.click != nil && it.state["disabled"] == false:
		it.click(m)
	}
}
