package frontend_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp/kb"
)

// The cells of a notebook about a run that takes longer than any test.
const (
	setUp = iota
	train
	again
	step
	hostile
	assist
)

var cells = []string{
	setUp: `import (
	"fmt"

	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

var s = lab.Attach()`,
	train: `%%
m := lab.Must(s.LM("long", rlhf.LM{Size: rlhf.Tiny, Data: rlhf.SynthSmall, Planned: 20000}))
show.Train(m)`,
	again: `%%
show.Run(s, "long")`,
	step: `%%
fmt.Println("at step", lab.Must(lab.Must(s.OpenLM("long")).Info()).Step)`,
	hostile: `%%
bad := "<script>window.pwned=1</script><img src=x onerror='window.pwned=2'><b onmouseover=window.pwned=3>bold</b>"
show.SampleTable([]rlhf.Sample{{Prompt: bad, Response: bad}})
show.Table([]string{bad}, [][]any{{bad}})
fmt.Println(bad)`,
	assist: `%%
fmt.Print`,
}

// life is that of a run: drawn, interrupted, gone on with, watched again after a
// reload and after a restart of the kernel.
func life(t *testing.T, b *browser, l *jupyterLab) {
	write(t, l.file("life.ipynb"), nil, cells...)
	n := b.openNotebook(t, l, "life.ipynb")
	n.says("Idle")
	n.runs(setUp, patience)

	// The figure redraws in place.
	n.choose(train)
	n.monitor(train)
	n.press(kb.Enter, input.ModifierCtrl)
	until(t, "8 redraws", patience, func() (bool, string) {
		got := redraws(n.frames())
		return got >= 8, fmt.Sprint(got, " redraws; ", n.text(train))
	})
	n.says("Busy")
	steady(t, n.frames(), 2) // the figure, and the line below it
	n.shows(train)

	// The button interrupts; what was trained is kept, and the cell goes on.
	n.click(`[data-command="notebook:interrupt-kernel"]`)
	n.idle(patience)
	n.done(train, patience)
	n.runs(step, patience)
	before := atStep(t, n.text(step))
	if before < 8 {
		t.Errorf("after the interrupt the run is at step %d, want what was drawn, 8 or more", before)
	}
	n.run(train)
	until(t, "the run to go on", patience, func() (bool, string) {
		said := n.text(train)
		return strings.Contains(said, "of 20000") && atStep(t, said) > before+5, said
	})
	if n.count(train, "img") != 1 {
		t.Errorf("the cell that goes on shows %d pictures, want 1", n.count(train, "img"))
	}

	// Saved and reloaded while it runs.
	n.save()
	n.do(page.Reload())
	n.loaded()
	n.wait("the saved picture", patience, `%s.querySelector("img") && %s.querySelector("img").naturalWidth > 0`, cell(train), cell(train))
	n.says("Busy")
	n.click(`[data-command="notebook:interrupt-kernel"]`)
	n.idle(patience)
	n.runs(again, patience)
	n.shows(again)
	n.runs(step, patience)
	reloaded := atStep(t, n.text(step))
	if reloaded <= before {
		t.Errorf("after the reload the run is at step %d, want more than %d", reloaded, before)
	}

	n.runs(hostile, patience)
	if said := n.text(hostile); strings.Count(said, "<script>window.pwned=1</script>") < 5 {
		t.Errorf("the hostile text is not shown as it is: %q", said)
	}
	if got := eval[string](n.tab, `typeof window.pwned`); got != "undefined" || n.count(hostile, "script, b, [onerror], [onmouseover]") > 0 {
		t.Errorf("hostile text has become part of the page: window.pwned is %s", got)
	}

	n.assisted()

	n.click(`[data-command="notebook:restart-kernel"]`)
	n.click(`.jp-Dialog button.jp-mod-accept`)
	n.wait("the dialog to close", patience, `!document.querySelector(".jp-Dialog")`)
	n.loaded()
	n.runs(setUp, patience)
	n.runs(step, patience)
	if got := atStep(t, n.text(step)); got != reloaded {
		t.Errorf("after the restart the run is at step %d, want %d", got, reloaded)
	}
	n.clean()
}

// says waits until the status bar says what the kernel does.
func (n *notebook) says(what string) {
	n.t.Helper()
	until(n.t, what+" in the status bar", patience, func() (bool, string) {
		said := n.status()
		return strings.Contains(said, what), said
	})
}

var stepNumber = regexp.MustCompile(`step (\d+)`)

func atStep(t *testing.T, said string) int {
	t.Helper()
	m := stepNumber.FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("no step in %q", said)
	}
	k, _ := strconv.Atoi(m[1])
	return k
}

// save presses Ctrl+S and waits until the file holds what the page shows.
func (n *notebook) save() {
	n.t.Helper()
	n.press("s", input.ModifierCtrl)
	n.wait("the notebook to be saved", patience, `!%s.context.model.dirty`, panel)
}

// assisted checks completion and documentation.
func (n *notebook) assisted() {
	n.t.Helper()
	n.choose(assist)
	n.press(kb.Enter) // edit
	n.press(kb.End, input.ModifierCtrl)
	until(n.t, "completions of fmt.Print", patience, func() (bool, string) {
		n.press(kb.Tab)
		for range 20 {
			if got := eval[string](n.tab, `[...document.querySelectorAll(".jp-Completer-item")].map(e => e.innerText).join(" ")`); got != "" {
				return strings.Contains(got, "Println") && strings.Contains(got, "Printf"), got
			}
			time.Sleep(50 * time.Millisecond)
		}
		return false, "no popup"
	})
	n.picture("completion")
	n.press(kb.Escape)
	until(n.t, "the documentation of fmt.Print", patience, func() (bool, string) {
		n.press(kb.Tab, input.ModifierShift)
		for range 40 {
			if got := eval[string](n.tab, `(document.querySelector(".jp-Tooltip") || {innerText: ""}).innerText`); got != "" {
				return strings.Contains(got, "Print formats using the default formats"), got
			}
			time.Sleep(50 * time.Millisecond)
		}
		return false, "no tooltip"
	})
	n.picture("tooltip")
	n.press(kb.Escape)
	n.press(kb.Escape)
}
