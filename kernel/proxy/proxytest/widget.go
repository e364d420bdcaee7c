package proxytest

import (
	"encoding/json"
	"time"

	"hhrlhf/kernel/proxy"
)

// Published waits for an iopub message of the given type that ok accepts and returns its
// content and the message; both are nil if none came in time.
func (c *Client) Published(msgType string, limit time.Duration, ok func(content map[string]any) bool) (map[string]any, *proxy.Message) {
	var content map[string]any
	var found *proxy.Message
	c.wait(limit, func() bool {
		for _, m := range c.pub {
			if m.Header.Type != msgType {
				continue
			}
			into := map[string]any{}
			if json.Unmarshal(m.Content, &into) == nil && ok(into) {
				content, found = into, m
				return true
			}
		}
		return false
	})
	return content, found
}

// Seen is how many iopub messages of the given type ok accepts so far.
func (c *Client) Seen(msgType string, ok func(content map[string]any) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.pub {
		content := map[string]any{}
		if m.Header.Type == msgType && json.Unmarshal(m.Content, &content) == nil && ok(content) {
			n++
		}
	}
	return n
}

// A Model is an ipywidgets model as a front-end knows it.
type Model struct {
	ID    string
	State map[string]any
}

// Models are the live models that the kernel has opened, in order, with what has become of
// their states.
func (c *Client) Models() []*Model {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Model
	byID := map[string]*Model{}
	for _, m := range c.pub {
		var content struct {
			ID   string `json:"comm_id"`
			Data struct {
				Method string
				State  map[string]any
			}
		}
		if err := json.Unmarshal(m.Content, &content); err != nil {
			continue
		}
		switch it := byID[content.ID]; {
		case m.Header.Type == "comm_open":
			byID[content.ID] = &Model{content.ID, content.Data.State}
			out = append(out, byID[content.ID])
		case it == nil:
		case m.Header.Type == "comm_msg" && content.Data.Method == "update":
			for k, v := range content.Data.State {
				it.State[k] = v
			}
		case m.Header.Type == "comm_close":
			delete(byID, content.ID)
		}
	}
	live := out[:0]
	for _, it := range out {
		if byID[it.ID] == it {
			live = append(live, it)
		}
	}
	return live
}

// WaitModel waits for a live model that ok accepts.
func (c *Client) WaitModel(what string, limit time.Duration, ok func(*Model) bool) *Model {
	c.t.Helper()
	for deadline := time.Now().Add(limit); ; {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		for _, m := range c.Models() {
			if ok(m) {
				return m
			}
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			c.t.Fatalf("no model in %v: %s", limit, what)
		}
	}
}

// Button waits for a button by its description.
func (c *Client) Button(description string, limit time.Duration) *Model {
	c.t.Helper()
	return c.WaitModel("button "+description, limit, func(m *Model) bool {
		return m.State["_model_name"] == "ButtonModel" && m.State["description"] == description && m.State["disabled"] == false
	})
}

// Click presses a button and returns the message's id.
func (c *Client) Click(m *Model) string {
	c.t.Helper()
	return c.Comm(m.ID, map[string]any{"method": "custom", "content": map[string]any{"event": "click"}})
}

// Comm sends data on a comm and returns the message's id.
func (c *Client) Comm(id string, data map[string]any) string {
	c.t.Helper()
	return c.Send(Shell, "comm_msg", map[string]any{"comm_id": id, "data": data})
}

// WaitIdle waits until the kernel has served message id.
func (c *Client) WaitIdle(id string, limit time.Duration) {
	c.t.Helper()
	if !c.wait(limit, func() bool { return c.idle(id) }) {
		c.t.Fatalf("message %s is not served after %v", id, limit)
	}
}
