package show

import (
	"fmt"
	"image/color"
	"strings"

	"hhrlhf/rlhf"
)

// Diagnosis shows what rlhf.Diagnose found in a run's history: how grave, which
// pattern, what was seen, what to try and where to look.
//
//	show.Diagnosis(rlhf.Diagnose(lab.Must(run.History())))
func Diagnosis(findings []rlhf.Finding) {
	if len(findings) == 0 {
		const nothing = "No known pattern of failure."
		t := &table{rows: [][]cell{{{text: "✓", style: badge(green)}, {text: nothing}}}}
		show(output{html: t.html(), text: nothing + "\n"})
		return
	}
	t := &table{heads: [][]cell{heads("", "pattern", "what was seen", "what to try", "look at")}}
	var b strings.Builder
	for _, f := range findings {
		steps := fmt.Sprintf("steps %d to %d", f.From, f.To)
		t.rows = append(t.rows, []cell{
			{text: f.Severity.String(), style: badge(severityColor(f.Severity))},
			{html: `<b style="white-space:nowrap">` + escape(f.Name) + "</b><br>" + escape(steps)},
			{text: f.Saw, style: "max-width:26em;"},
			{html: list(f.Try), style: "max-width:26em;"},
			{html: list(f.Metrics)},
		})
		fmt.Fprintf(&b, "%s: %s, %s\n  saw      %s\n", strings.ToUpper(f.Severity.String()), oneLine(f.Name), steps, oneLine(f.Saw))
		for i, try := range f.Try {
			fmt.Fprintf(&b, "  %-8s %s\n", map[bool]string{true: "try"}[i == 0], oneLine(try))
		}
		fmt.Fprintf(&b, "  look at  %s\n", oneLine(strings.Join(f.Metrics, ", ")))
	}
	show(output{html: t.html(), text: b.String()})
}

func severityColor(s rlhf.Severity) color.NRGBA {
	switch s {
	case rlhf.Failure:
		return vermilion
	case rlhf.Warning:
		return orange
	}
	return sky
}

// badge is the style of a cell that is a word on a ground of colour.
func badge(c color.NRGBA) string {
	return "background-color:" + hex(over(c, 0.6)) + ";color:#111111;font-weight:bold;"
}

// list writes one item a line.
func list(items []string) string {
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = escape(item)
		if len(items) > 1 {
			lines[i] = "· " + lines[i]
		}
	}
	return strings.Join(lines, "<br>")
}
