package show

import (
	"fmt"
	"strings"
	"time"

	"hhrlhf/rlhf"
)

// Table shows rows under a header. Numbers are aligned right; everything else
// is printed as fmt does.
func Table(header []string, rows [][]any) {
	t := &table{heads: [][]cell{heads(header...)}}
	for _, r := range rows {
		line := make([]cell, len(r))
		for i, v := range r {
			line[i] = anyCell(v)
		}
		t.rows = append(t.rows, line)
	}
	show(t.output())
}

func anyCell(v any) cell {
	switch v := v.(type) {
	case float64:
		return numeric(v)
	case float32:
		return numeric(float64(v))
	case int, int32, int64, uint64, uint32:
		return cell{text: fmt.Sprint(v), right: true}
	}
	return cell{text: fmt.Sprint(v)}
}

// Note shows Markdown: a heading or a remark between pictures. What a model wrote belongs
// into [Text]: here it could write a link.
func Note(markdown string) {
	show(output{markdown: markdown, text: strings.TrimRight(markdown, "\n") + "\n"})
}

// Transcripts shows the first n dialogues, turn by turn.
func Transcripts(ts []rlhf.Transcript, n int) {
	t := &table{heads: [][]cell{heads("", "dialogue", "last response")}}
	for i, tr := range ts[:max(0, min(n, len(ts)))] {
		t.rows = append(t.rows, []cell{{text: fmt.Sprint(i), right: true}, prompt(tr.Prompt), response(tr.Response)})
	}
	show(t.output())
}

// Gold shows what the true labeller says of each transcript.
func Gold(ts []rlhf.Transcript, verdicts []rlhf.Gold) {
	if len(ts) != len(verdicts) {
		fail(fmt.Errorf("show: Gold: %d transcripts and %d verdicts, want as many of each", len(ts), len(verdicts)))
		return
	}
	t := &table{heads: [][]cell{heads("dialogue", "last response", "helpful", "harmless", "honest", "verdict")}}
	for i, tr := range ts {
		g := verdicts[i]
		t.rows = append(t.rows, []cell{prompt(tr.Prompt), response(tr.Response), heat(g.Helpful, 1), heat(g.Harmless, 1), heat(g.Honest, 1), {text: g.Why}})
	}
	show(t.output())
}

// Runs shows the runs on disk.
func Runs(runs []rlhf.RunInfo) {
	t := &table{heads: [][]cell{heads("run", "kind", "steps", "parameters", "data", "backend", "created")}}
	for _, r := range runs {
		names := make([]string, len(r.Data))
		for i, d := range r.Data {
			names[i] = fmt.Sprintf("%s (%d)", d.Name, d.Rows)
		}
		created := "—"
		if !r.Created.IsZero() {
			created = r.Created.Format(time.DateTime)
		}
		t.rows = append(t.rows, []cell{
			{text: r.Name}, {text: r.Kind}, {text: fmt.Sprintf("%d of %d", r.Step, r.Planned), right: true},
			{text: count(r.Params), right: true}, {text: strings.Join(names, ", ")}, {text: r.Backend}, {text: created},
		})
	}
	if len(runs) == 0 {
		t.rows = [][]cell{heads("none yet", "", "", "", "", "", "")}
	}
	show(t.output())
}

// count writes a large number as people say it: 1.5 M.
func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f G", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f k", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// Glossary explains the named metrics, or all of them: formula, unit, the range
// of a healthy run and what to do outside it. Names may also be those of TRL, verl,
// OpenRLHF and NeMo-RL: "actor/ppo_kl" explains policy/approx_kl.
func Glossary(names ...string) {
	terms := rlhf.Glossary()
	if len(names) > 0 {
		terms = nil
	}
	for _, n := range names {
		t, ok := rlhf.Define(n)
		if ok {
			terms = append(terms, t)
			continue
		}
		of := rlhf.Aliases(n)
		for _, a := range of {
			t, _ := rlhf.Define(a.Name)
			t.Name += ", " + a.System + ": " + a.Theirs
			if a.Differs != "" {
				t.Name += " (" + a.Differs + ")"
			}
			terms = append(terms, t)
		}
		if len(of) == 0 {
			terms = append(terms, rlhf.Term{Name: n, Formula: "no metric of that name; Glossary() lists them"})
		}
	}
	t := &table{heads: [][]cell{heads("metric", "formula", "unit", "healthy", "otherwise")}}
	for _, d := range terms {
		t.rows = append(t.rows, heads(d.Name, d.Formula, d.Unit, d.Healthy, d.Else))
	}
	show(t.output())
}

// Aliases shows what other systems call the named metrics of ours, or all of them, and
// in what their numbers differ.
func Aliases(names ...string) {
	if len(names) == 0 {
		names = []string{""}
	}
	t := &table{heads: [][]cell{heads("metric", "system", "its name", "its number")}}
	for _, n := range names {
		for _, a := range rlhf.Aliases(n) {
			differs := a.Differs
			if differs == "" {
				differs = "the same"
			}
			t.rows = append(t.rows, heads(a.Name, a.System, a.Theirs, differs))
		}
		if len(rlhf.Aliases(n)) == 0 {
			t.rows = append(t.rows, heads(n, "", "", "no other name is known"))
		}
	}
	show(t.output())
}
