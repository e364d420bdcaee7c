package proxy

import (
	"encoding/json"
	"maps"
)

// request serves a message from a front-end's shell or control channel.
func (p *Proxy) request(m *Message, from source) error {
	a := asked{m, from}
	switch m.Header.Type {
	case "execute_request", "complete_request", "inspect_request":
		if from == frontControl {
			p.o.Log.Printf("ignored %s on control", m.Header.Type)
			return nil
		}
		if m.Header.Type == "execute_request" {
			p.execute(m)
		} else {
			p.assist(a)
		}
	case "kernel_info_request":
		// Not before gonb is ready: to a front-end this reply means just that.
		if !p.started {
			p.asks = append(p.asks, a)
			return nil
		}
		p.answer(a, "kernel_info_reply", p.info)
		p.showIdle()
	case "is_complete_request":
		var q struct{ Code string }
		decode(m, &q)
		status, indent := IsComplete(q.Code)
		reply := map[string]any{"status": status}
		if status == "incomplete" {
			reply["indent"] = indent
		}
		p.answer(a, "is_complete_reply", reply)
	case "history_request":
		var q HistoryQuery
		decode(m, &q)
		p.answer(a, "history_reply", map[string]any{"status": "ok", "history": p.history.Query(q)})
	case "comm_info_request":
		var q struct {
			Target string `json:"target_name"`
		}
		decode(m, &q)
		comms := map[string]any{}
		for id, target := range p.comms {
			if q.Target == "" || q.Target == target {
				comms[id] = map[string]any{"target_name": target}
			}
		}
		if q.Target == "" || q.Target == widgetTarget {
			for id := range p.widgets.models {
				comms[id] = map[string]any{"target_name": widgetTarget}
			}
		}
		p.answer(a, "comm_info_reply", map[string]any{"status": "ok", "comms": comms})
	case "interrupt_request":
		p.answer(a, "interrupt_reply", map[string]any{"status": "ok"})
		p.interrupted = m.Header
		p.interruptCell()
	case "shutdown_request":
		var q struct{ Restart bool }
		decode(m, &q)
		reply := map[string]any{"status": "ok", "restart": q.Restart}
		p.abortQueue()
		p.answer(a, "shutdown_reply", reply)
		p.publish("shutdown_reply", m, reply)
		return errShutdown
	case "comm_open", "comm_msg", "comm_close":
		if p.takeComm(m) {
			return nil
		}
		p.trackComm(m)
		if p.back == nil || !p.back.ready {
			p.waiting = append(p.waiting, m)
			return nil
		}
		p.forward(m)
	default:
		p.o.Log.Printf("ignored %s", m.Header.Type)
	}
	return nil
}

// answer replies on the request's own channel, between busy and idle. If a
// cell runs, busy is said once more for it, because a front-end shows the last
// status that it heard.
func (p *Proxy) answer(a asked, msgType string, content any) {
	m, err := p.key.New(p.session, msgType, a.m, content)
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	p.status(a.m, "busy")
	if a.from == frontControl {
		p.write(p.control, m)
	} else {
		p.write(p.shell, m)
	}
	p.status(a.m, "idle")
	if p.running != nil {
		p.status(p.running.m, "busy")
	}
}

func (p *Proxy) status(parent *Message, state string) {
	p.publish("status", parent, map[string]any{"execution_state": state})
}

// showIdle publishes an idle status that answers a request of the proxy's own.
// JupyterLab's server does not count the statuses of kernel_info and comm_info
// and shows a kernel that has answered nothing else as unknown.
func (p *Proxy) showIdle() {
	if p.running != nil {
		return
	}
	m, err := p.key.New(p.session, "history_request", nil, map[string]any{})
	if err != nil {
		p.o.Log.Print(err)
		return
	}
	p.status(m, "idle")
}

// setDefaults fills in the fields that are missing or of another type than the
// default's, in the message too if there were any.
func (p *Proxy) setDefaults(m *Message, content, defaults map[string]any) bool {
	changed := false
	for name, def := range defaults {
		if !sameType(content[name], def) {
			content[name], changed = def, true
		}
	}
	if !changed {
		return true
	}
	if err := p.key.SetContent(m, content); err != nil {
		p.o.Log.Print(err)
		return false
	}
	return true
}

func sameType(v, def any) bool {
	var ok bool
	switch def.(type) {
	case bool:
		_, ok = v.(bool)
	case string:
		_, ok = v.(string)
	case float64:
		_, ok = v.(float64)
	}
	return ok
}

// trackComm keeps the list that comm_info_request asks for.
func (p *Proxy) trackComm(m *Message) {
	var c struct {
		ID     string `json:"comm_id"`
		Target string `json:"target_name"`
	}
	decode(m, &c)
	switch m.Header.Type {
	case "comm_open":
		p.comms[c.ID] = c.Target
	case "comm_close":
		delete(p.comms, c.ID)
	}
}

// patchInfo completes gonb's kernel_info_reply: without lexer and mode an
// exported notebook is not highlighted, without exporter and extension it
// cannot be saved as a script.
func (p *Proxy) patchInfo(m *Message) {
	info := map[string]any{}
	if err := json.Unmarshal(m.Content, &info); err != nil {
		p.o.Log.Printf("proxy: kernel_info of gonb: %v", err)
	}
	lang, _ := info["language_info"].(map[string]any)
	if lang == nil {
		lang = map[string]any{}
	}
	maps.Copy(lang, map[string]any{"name": "go", "file_extension": ".go", "mimetype": "text/x-go",
		"codemirror_mode": "go", "pygments_lexer": "go", "nbconvert_exporter": "script"})
	maps.Copy(info, map[string]any{
		"status": "ok", "language_info": lang,
		"protocol_version": protocolVersion, "implementation": "rlhf-gonb", "implementation_version": p.o.Version,
		"banner": "RLHF laboratory " + p.o.Version + ": Go cells by GoNB, training in a resident engine",
	})
	p.info = info
}
