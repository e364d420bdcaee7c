package proxy

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"hhrlhf/kernel/gocell"
)

// Go prints a panic to standard error and exits with status 2. The text belongs
// into the error message, so that whoever reports the error reports its reason:
// it is held back until the error comes, and goes out as ordinary output if none
// does.

// holdLimit is how long text that looks like a panic waits for the cell's end.
const holdLimit = 2 * time.Second

// maxHeld is the most that is held back, in bytes.
const maxHeld = 256 << 10

var panics = regexp.MustCompile(`(?m)^(panic: |fatal error: |runtime: goroutine stack exceeds)`)

// stderr passes a piece of the cell's standard error on, or holds it back.
func (p *Proxy) stderr(c *cell, m *Message) {
	content := map[string]any{}
	decode(m, &content)
	text, _ := content["text"].(string)
	if c.held == "" {
		at := panics.FindStringIndex(text)
		if at == nil {
			p.broadcast(m)
			return
		}
		if at[0] > 0 {
			p.stream(c.m, text[:at[0]])
		}
		c.heldAt, text = time.Now(), text[at[0]:]
	}
	if c.held += text; len(c.held) > maxHeld {
		p.letGo(c)
	}
}

// letGo writes out what was held back.
func (p *Proxy) letGo(c *cell) {
	if c.held != "" {
		p.stream(c.m, c.held)
		c.held = ""
	}
}

// failure completes gonb's error message of a cell: a panic's text becomes its
// traceback, a compile error is explained above it.
func (p *Proxy) failure(c *cell, m *Message) {
	content := map[string]any{}
	decode(m, &content)
	traceback := texts(content["traceback"])
	switch value, _ := content["evalue"].(string); {
	case c.interrupted && value == "": // the cell was still being compiled: gonb has no words for it
		p.letGo(c)
		content["ename"], content["evalue"] = "Interrupted", "before the cell's program ran"
		traceback = []string{"Interrupted: before the cell's program ran."}
	case c.held != "" && value == "exit status 2":
		first, _, _ := strings.Cut(c.held, "\n")
		kind, message, ok := strings.Cut(first, ": ")
		if !ok {
			kind, message = "panic", first
		}
		content["ename"], content["evalue"] = kind, message
		traceback = []string{atLine(first, c), strings.TrimRight(c.held, "\n")}
		c.held = ""
	default:
		p.letGo(c)
		sentences := gocell.Explain(traceback, gocell.Around{Cell: c.count, Code: c.code, Earlier: p.lifeCells(c), Repo: p.o.Repo, GoRoot: p.o.GoRoot})
		if len(sentences) > 0 {
			content["ename"], content["evalue"] = "CompileError", sentences[0]
			traceback = append([]string{strings.Join(sentences, "\n") + "\n"}, traceback...)
		}
	}
	content["traceback"] = traceback
	c.failure = content
	if err := p.key.SetContent(m, content); err != nil {
		p.o.Log.Print(err)
	}
	p.broadcast(m)
}

// stackLine is how gonb marks the lines of a cell in a stack.
var stackLine = regexp.MustCompile(`\[\[ Cell (?:\[(\d+)\] )?Line (\d+) \]\]`)

// atLine puts the cell's line, the first in the stack, before a panic's message.
func atLine(message string, c *cell) string {
	m := stackLine.FindStringSubmatch(c.held)
	switch {
	case m == nil:
		return message
	case m[1] != "" && m[1] != strconv.Itoa(c.count):
		return "Cell [" + m[1] + "], line " + m[2] + ": " + message
	}
	return "Line " + m[2] + ": " + message
}

// lifeCells are the cells that ran before c in this life of gonb.
func (p *Proxy) lifeCells(c *cell) []gocell.EarlierCell {
	var out []gocell.EarlierCell
	for _, e := range p.history.Query(HistoryQuery{Access: "range"}) {
		if e[1] != c.count {
			out = append(out, gocell.EarlierCell{Cell: e[1].(int), Source: e[2].(string)})
		}
	}
	return out
}

func texts(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
