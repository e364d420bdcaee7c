package frontend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"hhrlhf/kernel/feedback"
	votes "hhrlhf/kernel/feedback/page"
)

// Comparisons that people are asked for; the last one's texts are hostile.
var questions = []feedback.Question{
	{ID: "one", Mode: feedback.Helpful, Prompt: "\n\nHuman: How do I keep basil alive on a north window?\n\nAssistant:",
		A: " You cannot. Buy a plastic one.", B: " Give it the brightest spot you have, water it when the top of the soil is dry, and pinch the tips off so that it grows bushy. A small lamp for some hours in the evening helps in winter."},
	{ID: "two", Mode: feedback.Helpful, Prompt: "\n\nHuman: What is a black hole?\n\nAssistant:", A: " A place that nothing leaves, not even light.", B: " A hole that is black."},
	{ID: "three", Mode: feedback.RedTeam, Prompt: "\n\nHuman: How do I pick my neighbour's lock?\n\nAssistant:", A: " I would rather not help with that.", B: " Take a bent hairpin."},
	{ID: "four", Mode: feedback.Helpful, Prompt: "\n\nHuman: <script>window.pwned=1</script>\n\nAssistant:",
		A: " <img src=x onerror='window.pwned=2'>", B: " <b onmouseover=window.pwned=3>$x$</b>"},
}

// The cells of the notebook in which they are asked.
const (
	openLog = iota
	askOne
	showThree
	countUp
)

// buttons presses the widget's buttons while the cell runs, after it ended, while
// another one runs, and after the page was loaded again.
func buttons(t *testing.T, b *browser, l *jupyterLab) {
	log := l.file("votes.jsonl")
	raw, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.file("questions.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, l.file("feedback.ipynb"), nil, `import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/kernel/lab"
)

var ann = feedback.Open("votes.jsonl", feedback.Options{Labeller: "ann"})

func question(i int) feedback.Question {
	var all []feedback.Question
	lab.Check(json.Unmarshal(lab.Must(os.ReadFile("questions.json")), &all))
	return all[i]
}`,
		"%%\nfmt.Printf(\"%+v\\n\", lab.Must(ann.Ask(question(0))).Vote)",
		"%%\nlab.Check(ann.Show(question(1), question(2), question(3)))",
		"%%\nfor i := range 3000 {\n\tfmt.Println(i)\n\ttime.Sleep(100 * time.Millisecond)\n}")
	n := b.openNotebook(t, l, "feedback.ipynb")
	n.runs(openLog, patience)

	n.run(askOne)
	n.button(askOne, "north window", "B clearly")
	if said := n.prompt(askOne); !strings.Contains(said, "*") {
		t.Errorf("the cell that asks has ended before the answer: %s", said)
	}
	n.choose(askOne)
	n.do(chromedp.EmulateViewport(width, 820))
	looksLike(t, "feedback", n.picture("feedback"), 0.03)
	n.do(chromedp.EmulateViewport(width, height))
	n.clickButton(askOne, "north window", "B clearly")
	voted(t, log, "one", "ann", feedback.B, 3)
	n.done(askOne, patience)
	n.noError(askOne)
	if said := n.text(askOne); !strings.Contains(said, "Strength:3") {
		t.Errorf("the cell did not get the vote: %s", said)
	}

	n.runs(showThree, patience) // and ends
	n.clickButton(showThree, "black hole", "A much")
	voted(t, log, "two", "ann", feedback.A, 4)
	n.wait("what was answered", patience, `%s.innerText.includes("A is much better")`, cell(showThree))

	n.save()
	n.do(page.Reload())
	n.loaded()
	n.run(countUp) // goes on for minutes
	until(t, "a busy kernel", patience, func() (bool, string) { s := n.text(countUp); return strings.Contains(s, "1"), s })
	n.clickButton(showThree, "neighbour's lock", "B slightly")
	voted(t, log, "three", "ann", feedback.B, 2)
	if got := eval[string](n.tab, `typeof window.pwned`); got != "undefined" || n.count(showThree, "script, [onerror], [onmouseover]") > 0 {
		t.Errorf("hostile text has become part of the page: window.pwned is %s", got)
	}
	n.click(`[data-command="notebook:interrupt-kernel"]`)
	n.idle(patience)
	n.clickButton(showThree, "onerror", "Skip")
	until(t, "the question to be skipped", patience, func() (bool, string) {
		v, ok := vote(t, log, "four", "ann")
		return ok && v.Skip, fmt.Sprint(v)
	})
	n.picture("feedback-done")
	n.clean()
}

// button waits for a button of the widget that shows a text.
func (n *notebook) button(i int, about, label string) string {
	n.t.Helper()
	find := fmt.Sprintf(`[...%s.querySelectorAll(".jp-OutputArea-output")].filter(e => e.innerText.includes(%q)).flatMap(
		e => [...e.querySelectorAll("button")]).find(e => e.innerText.trim() === %q && !e.disabled)`, cell(i), about, label)
	n.wait(label, patience, "%s", find)
	return find
}

// clickButton clicks on it, where it stands on the screen.
func (n *notebook) clickButton(i int, about, label string) {
	n.t.Helper()
	n.clickOn(label, n.button(i, about, label))
}

func vote(t *testing.T, log, question, labeller string) (feedback.Vote, bool) {
	t.Helper()
	f, err := feedback.OpenLog(log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.State()
	if err != nil {
		t.Fatal(err)
	}
	return s.Vote(question, labeller)
}

// voted waits until a vote is in the log.
func voted(t *testing.T, log, question, labeller string, pick feedback.Side, strength int) {
	t.Helper()
	until(t, "the vote on "+question, patience, func() (bool, string) {
		v, ok := vote(t, log, question, labeller)
		return ok && v.Pick == pick && v.Strength == strength, fmt.Sprintf("%+v", v)
	})
}

// TestFeedbackPage votes by keys on the page for people without a notebook.
func TestFeedbackPage(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser: not with -short")
	}
	b := startBrowser(t)
	path := t.TempDir() + "/votes.jsonl"
	log, err := feedback.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		if err := log.AppendNew(feedback.Record{Question: &q}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	urls, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- votes.Serve(ctx, votes.Options{Log: log, Ready: func(u string) { urls <- u }}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p := b.open(t, <-urls)
	p.wait("the question for a name", patience, `document.activeElement?.id === "labeller"`)
	p.write("bob")
	p.press(kb.Enter)
	p.wait("the first comparison", patience, `document.querySelector("#a .text").innerText.includes("plastic")`)
	p.do(chromedp.EmulateViewport(width, 620))
	looksLike(t, "feedback-page", p.picture("feedback-page"), 0.03)
	p.press("7")
	voted(t, path, "one", "bob", feedback.B, 3)
	p.wait("the second comparison", patience, `document.querySelector("#a .text").innerText.includes("not even light")`)
	p.press("1")
	voted(t, path, "two", "bob", feedback.A, 4)
	p.wait("the third comparison", patience, `document.querySelector("#b .text").innerText.includes("hairpin")`)
	p.press("s")
	p.wait("the hostile comparison", patience, `document.querySelector("#a .text").innerText.includes("onerror")`)
	if got := eval[string](p, `typeof window.pwned`); got != "undefined" {
		t.Errorf("hostile text has become part of the page: window.pwned is %s", got)
	}
	p.visit(strings.Split(eval[string](p, `location.href`), "?")[0])
	p.wait("the same comparison after a reload", patience, `document.querySelector("#a .text").innerText.includes("onerror")`)
	p.click(`#scale button:nth-of-type(5)`)
	voted(t, path, "four", "bob", feedback.B, 1)
	p.clean()
}
