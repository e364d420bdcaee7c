package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hhrlhf/kernel/display"
	"hhrlhf/kernel/gocell"
)

// MIME types with which a cell asks for a message that gonb does not send. They
// do not leave the proxy.
const (
	// MIMEClear clears the cell's output: its value is true to wait for the next.
	MIMEClear = "application/vnd.rlhf.clear+json"
)

// valueFile makes the function that a cell's last expression is handed to. It lies
// beside the main.go of cells that call it, and of no others: what it imports
// would be linked into each.
const valueFile = "rlhf_value.go"

func valueSource(show string) string {
	return fmt.Sprintf("package main\n\nimport show %q\n\nfunc %s(v any) { show.Value(v) }\n", show, gocell.Value)
}

// docLimit is how long a documentation may be looked for.
const docLimit = 20 * time.Second

// prepare reads the cell and makes the one that gonb gets.
func (p *Proxy) prepare(c *cell, content map[string]any) error {
	var err error
	if c.prepared, err = gocell.Prepare(c.code, p.o.Show != ""); err != nil {
		return err
	}
	if c.prepared.Code == c.code {
		return nil
	}
	content["code"] = c.prepared.Code
	return p.key.SetContent(c.m, content)
}

// launch hands the running cell to gonb, once what it asked for is looked up.
func (p *Proxy) launch(ctx context.Context, c *cell) {
	var subjects [][]string
	for _, command := range c.prepared.Commands {
		if command.Name == "doc" {
			subjects = append(subjects, p.subject(command.Subject))
		}
	}
	if len(subjects) == 0 || p.o.Doc == nil {
		p.toRun(c)
		return
	}
	looking, cancel := context.WithTimeout(ctx, docLimit)
	c.cancel = cancel
	go func() {
		defer cancel()
		var pages []string
		for _, s := range subjects {
			text, err := p.o.Doc(looking, s...)
			if err != nil {
				text = err.Error() + "\n"
			}
			pages = append(pages, text)
		}
		p.send(p.ctx, event{from: ownWork, do: func() {
			if p.running == c && p.back != nil {
				c.page = strings.Join(pages, "\n")
				p.toRun(c)
			}
		}})
	}()
}

// subject splits what %doc names into a package, by its path if a cell has
// imported it or it is known, and the name in it, if any.
func (p *Proxy) subject(text string) []string {
	pkg, name, _ := strings.Cut(text, ".")
	if strings.Contains(text, "/") {
		pkg, name = text, ""
		if slash := strings.LastIndex(text, "/"); strings.Contains(text[slash:], ".") {
			base, rest, _ := strings.Cut(text[slash:], ".")
			pkg, name = text[:slash]+base, rest
		}
	} else if path := p.importPath(pkg); path != "" {
		pkg = path
	}
	if name == "" {
		return []string{pkg}
	}
	return []string{pkg, name}
}

// importPath is the path of a package by its name in the cells, empty if nobody
// has named it.
func (p *Proxy) importPath(name string) string {
	if a := p.back.assistant; a != nil && a.imports[name] != "" {
		return a.imports[name]
	}
	return gocell.Known[name]
}

// toRun hands the running cell to gonb.
func (p *Proxy) toRun(c *cell) {
	if a := p.back.assistant; a != nil {
		file := filepath.Join(a.folder, valueFile)
		err := os.Remove(file)
		if c.prepared.Shows {
			err = os.WriteFile(file, []byte(valueSource(p.o.Show)), 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			p.o.Log.Printf("proxy: %v", err)
		}
	}
	for _, command := range c.prepared.Commands {
		if command.Name == "history" { // now: gonb's reply, which enters the cell itself, may overtake its other messages
			c.past = append(c.past, p.pastCells(command))
		}
	}
	c.began = time.Now()
	p.forward(c.m)
}

// begun notes the cell's number and does what its commands say.
func (p *Proxy) begun(c *cell, m *Message) {
	content := map[string]any{}
	decode(m, &content)
	count, _ := content["execution_count"].(float64)
	c.count = int(count)
	if content["code"] != c.code {
		content["code"] = c.code
		if err := p.key.SetContent(m, content); err != nil {
			p.o.Log.Print(err)
		}
	}
	p.broadcast(m)
	for _, command := range c.prepared.Commands {
		switch command.Name {
		case "clear":
			p.publish("clear_output", c.m, map[string]any{"wait": command.Wait})
		case "history":
			p.publish("stream", c.m, map[string]any{"name": "stdout", "text": c.past[0]})
			c.past = c.past[1:]
		}
	}
}

// pastCells lists earlier cells for %history, of all sessions, the latest last.
func (p *Proxy) pastCells(command gocell.Command) string {
	past := p.history.Query(HistoryQuery{Access: "search", Pattern: command.Pattern, N: command.N})
	if len(past) == 0 {
		return "no cells yet\n"
	}
	var b strings.Builder
	for _, e := range past {
		fmt.Fprintf(&b, "── %v/%v\n%s\n", e[0], e[1], strings.TrimRight(e[2].(string), "\n"))
	}
	return b.String()
}

// display passes a display on, as the message that the cell asked for.
func (p *Proxy) display(c *cell, m *Message) {
	var content struct {
		Data     map[string]json.RawMessage `json:"data"`
		Metadata map[string]json.RawMessage `json:"metadata"`
	}
	decode(m, &content)
	if wait, ok := content.Data[MIMEClear]; ok {
		p.publish("clear_output", c.m, map[string]any{"wait": string(wait) == "true"})
		return
	}
	if _, ok := content.Data[display.MIMEResult]; ok {
		delete(content.Data, display.MIMEResult)
		p.publish("execute_result", c.m, map[string]any{"execution_count": c.count, "data": content.Data, "metadata": content.Metadata})
		return
	}
	p.broadcast(m)
}

// usage is what a cell's relay writes when the program has ended; see launch.
type usage struct {
	Start, End int64   // nanoseconds since 1970
	CPU        float64 // seconds
}

// timing reports how long the cell took, for %%time.
func (p *Proxy) timing(c *cell) {
	all := time.Since(c.began)
	text := fmt.Sprintf("%s in all\n", seconds(all.Seconds()))
	var u usage
	if a := p.back.assistant; a != nil {
		program := filepath.Join(a.folder, filepath.Base(a.folder))
		b, err := os.ReadFile(program + ".used")
		if err == nil && json.Unmarshal(b, &u) == nil && u.Start > c.began.UnixNano() {
			build := time.Unix(0, u.Start).Sub(c.began).Seconds()
			compiler, _ := os.ReadFile(program + ".built")
			text = fmt.Sprintf("build %s (CPU %s), run %s (CPU %s), %s in all\n", seconds(build), seconds(shellTimes(string(compiler))),
				seconds(float64(u.End-u.Start)/1e9), seconds(u.CPU), seconds(all.Seconds()))
		}
	}
	p.publish("stream", c.m, map[string]any{"name": "stdout", "text": text})
}

func seconds(s float64) string {
	if s < 0.9995 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.2f s", s)
}

// shellTimes adds up what sh's times prints of a shell and its children: four
// durations such as 0m0.53s.
func shellTimes(text string) float64 {
	total := 0.0
	for _, word := range strings.Fields(text) {
		if d, err := time.ParseDuration(strings.Replace(word, ",", ".", 1)); err == nil {
			total += d.Seconds()
		}
	}
	return total
}
