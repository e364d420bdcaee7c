package frontend_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"

	"hhrlhf/kernel/setup"
)

// A notebook is one that is open in a tab.
type notebook struct {
	*tab
	lab  *jupyterLab
	name string
}

// write makes a notebook of code cells, the first with tags.
func write(t *testing.T, path string, tags []string, cells ...string) {
	t.Helper()
	list := []any{}
	for i, c := range cells {
		meta := map[string]any{}
		if i == 0 && len(tags) > 0 {
			meta["tags"] = tags
		}
		list = append(list, map[string]any{"cell_type": "code", "id": fmt.Sprintf("cell-%d", i), "metadata": meta,
			"execution_count": nil, "outputs": []any{}, "source": c})
	}
	raw, err := json.Marshal(map[string]any{"nbformat": 4, "nbformat_minor": 5, "cells": list, "metadata": map[string]any{
		"kernelspec":    map[string]string{"name": setup.KernelName, "display_name": "RLHF (GoNB)", "language": "go"},
		"language_info": map[string]string{"name": "go"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// read reads a notebook from disk.
func read(t *testing.T, path string) (nb file) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &nb); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return nb
}

// file is what nbformat keeps, as far as the tests read it.
type file struct {
	Cells []struct {
		Type    string `json:"cell_type"`
		Outputs []struct {
			Type string           `json:"output_type"`
			Data map[string]lines `json:"data"`
			Text lines            `json:"text"`
		} `json:"outputs"`
	} `json:"cells"`
}

// lines is what nbformat keeps as a string or as a list of strings; what is JSON of
// another kind is kept as it stands.
type lines string

func (l *lines) UnmarshalJSON(b []byte) error {
	var many []string
	if json.Unmarshal(b, &many) == nil {
		*l = lines(strings.Join(many, ""))
		return nil
	}
	one := ""
	if json.Unmarshal(b, &one) != nil {
		one = string(b)
	}
	*l = lines(one)
	return nil
}

// openNotebook opens a notebook in JupyterLab and waits for its kernel.
func (b *browser) openNotebook(t *testing.T, l *jupyterLab, name string) *notebook {
	t.Helper()
	n := &notebook{b.open(t, l.url("lab/tree/"+name)+"&reset"), l, name}
	n.loaded()
	eval[any](n.tab, `jupyterapp.commands.execute("application:toggle-left-area").then(() => 0)`) // room for the notebook
	t.Cleanup(func() {                                                                            // its engine would compete with the next test's
		tryEval[any](n.tab, `%s.sessionContext.shutdown().then(() => 0)`, panel)
	})
	return n
}

// panel is the open notebook, to the page's JavaScript.
const panel = `jupyterapp.shell.currentWidget`

// loaded waits until the notebook is drawn and its kernel answers.
func (n *notebook) loaded() {
	n.t.Helper()
	n.wait("the notebook", time.Minute, `window.jupyterapp && %s.content.widgets.length > 0 && %s.context.isReady`, panel, panel)
	n.wait("its kernel", time.Minute, `%s.sessionContext.session.kernel.connectionStatus === "connected"`, panel)
	n.wait("the kernel's description", time.Minute, `%s.sessionContext.session.kernel.info.then(i => i.language_info.name === "go")`, panel)
}

// status is what the status bar says of the kernel.
func (n *notebook) status() string {
	return eval[string](n.tab, `document.querySelector("#jp-main-statusbar").innerText`)
}

// run selects a cell and presses Ctrl+Enter.
func (n *notebook) run(i int) {
	n.t.Helper()
	n.choose(i)
	n.press(kb.Enter, input.ModifierCtrl)
}

// choose makes a cell the active one and scrolls to it.
func (n *notebook) choose(i int) {
	n.t.Helper()
	eval[any](n.tab, `(async () => { const c = %s.content; c.mode = "command"; c.activeCellIndex = %d; c.deselectAll();
		await c.scrollToItem(%d, "start"); c.node.focus(); c.activate() })()`, panel, i, i)
}

// cell is a cell's element, to the page's JavaScript.
func cell(i int) string { return fmt.Sprintf("%s.content.widgets[%d].node", panel, i) }

// prompt is the number beside a cell: "[3]:", "[*]:" while it runs, "[ ]:" before.
func (n *notebook) prompt(i int) string {
	n.t.Helper()
	return eval[string](n.tab, `%s.querySelector(".jp-InputPrompt").textContent`, cell(i))
}

// done waits until a cell has run.
func (n *notebook) done(i int, limit time.Duration) {
	n.t.Helper()
	until(n.t, fmt.Sprintf("cell %d to end", i), limit, func() (bool, string) {
		said := n.prompt(i)
		return strings.Trim(said, "[]: *") != "" && !strings.Contains(said, "*"), said + " " + n.text(i)
	})
}

// runs runs a cell to its end; it must not fail.
func (n *notebook) runs(i int, limit time.Duration) {
	n.t.Helper()
	n.run(i)
	n.done(i, limit)
	n.noError(i)
}

func (n *notebook) noError(i int) {
	n.t.Helper()
	if failed := eval[bool](n.tab, `[...Array(%s.content.widgets[%d].model.outputs.length).keys()].some(
		k => %s.content.widgets[%d].model.outputs.get(k).type === "error")`, panel, i, panel, i); failed {
		n.t.Fatalf("cell %d failed: %s", i, n.text(i))
	}
}

// text is what a cell's outputs say.
func (n *notebook) text(i int) string {
	n.t.Helper()
	return eval[string](n.tab, `(e => e ? e.innerText || e.textContent : "")(%s.querySelector(".jp-OutputArea"))`, cell(i))
}

// count counts the elements of a cell that a selector finds.
func (n *notebook) count(i int, selector string) int {
	n.t.Helper()
	return eval[int](n.tab, `%s.querySelectorAll(%q).length`, cell(i), selector)
}

// idle waits until the kernel says that it is.
func (n *notebook) idle(limit time.Duration) {
	n.t.Helper()
	// The answer to the interrupt itself is followed by an idle, too, and that by the busy of a cell which still
	// runs: idle is what stays so.
	var since time.Time
	until(n.t, "a kernel that stays idle", limit, func() (bool, string) {
		state := eval[string](n.tab, `%s.sessionContext.session.kernel.status`, panel)
		switch {
		case state != "idle":
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		return state == "idle" && time.Since(since) > 500*time.Millisecond, state
	})
}
