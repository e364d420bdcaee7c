package show

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

// paddingShown is the number of slots after the end token that a ledger lists,
// to show that nothing counts there.
const paddingShown = 2

// Ledger shows one response token by token: what the policy and the reference
// thought of each token, and what the phases of the PPO step made of it. Phases
// still to come leave a dash.
func Ledger(b *rlhf.Batch, row int) {
	if b == nil || row < 0 || row >= len(b.Mask) {
		rows := 0
		if b != nil {
			rows = len(b.Mask)
		}
		fail(fmt.Errorf("show: Ledger: row %d, want one of the batch's %d (0 is the first)", row, rows))
		return
	}
	show(ledger(b, row).output())
}

// A column of the ledger is one per-token field of the batch.
type column struct {
	name, formula string
	values        [][]float32
	tint          bool
}

func ledger(b *rlhf.Batch, row int) *table {
	logP := column{name: "log π", formula: "log π(aₜ|sₜ), scoring pass", values: b.LogP}
	if len(b.LogP) == 0 {
		logP.formula, logP.values = "log π(aₜ|sₜ), as sampled", b.LogPSample
	}
	cols := []column{
		logP,
		{name: "log π₀", formula: "log π₀(aₜ|sₜ)", values: b.LogPRef},
		{name: "kₜ", formula: "log π − log π₀", values: b.KL, tint: true},
		{name: "rₜ", formula: "−λ·kₜ + [last]·score", values: b.Reward, tint: true},
		{name: "V", formula: "V(sₜ)", values: b.Value},
		{name: "A", formula: "GAE of r and V", values: b.Advantage, tint: true},
		{name: "R", formula: "A + V, unwhitened", values: b.Return},
	}
	t := &table{heads: [][]cell{heads("t", "token"), heads("", "")}}
	for _, c := range cols {
		t.heads[0] = append(t.heads[0], cell{text: c.name})
		t.heads[1] = append(t.heads[1], cell{text: c.formula})
	}
	t.heads[0] = append(t.heads[0], cell{text: "mask"})
	t.heads[1] = append(t.heads[1], cell{text: "counts"})

	scales := make([]float64, len(cols))
	for i, c := range cols {
		for _, v := range at(c.values, row) {
			scales[i] = largest(scales[i], float64(v))
		}
	}
	padding := 0
	pieces := at(b.Pieces, row)
	for i, counts := range b.Mask[row] {
		piece := cell{text: "padding"}
		if i < len(pieces) {
			piece = cell{text: visible(pieces[i])}
		} else if !counts {
			if padding++; padding > paddingShown {
				continue
			}
		}
		line := []cell{{text: fmt.Sprint(i), right: true}, piece}
		for j, c := range cols {
			line = append(line, ledgerCell(at(c.values, row), i, c.tint, scales[j]))
		}
		mask := cell{text: "1"}
		if !counts {
			mask.text = "0"
		}
		line = append(line, mask)
		if !counts {
			for j := range line {
				line[j].style = "opacity:0.7;"
			}
		}
		t.rows = append(t.rows, line)
	}
	t.caption = fmt.Sprintf("%s, step %d, row %d", b.Run, b.Step, row)
	t.foot = ledgerFoot(b, row, padding)
	return t
}

func ledgerCell(values []float32, i int, tint bool, scale float64) cell {
	if i >= len(values) {
		return cell{text: "—", right: true}
	}
	v := float64(values[i])
	c := cell{text: fmt.Sprintf("%.3f", v), right: true}
	if c.text == "-0.000" {
		c.text = "0.000"
	}
	if tint && scale > 0 || !finite(v) {
		c.style = tinted(v / scale)
	}
	return c
}

// ledgerFoot sums the row up in words.
func ledgerFoot(b *rlhf.Batch, row, padding int) string {
	parts := []string{fmt.Sprintf("%d tokens", b.Length(row))}
	if row < len(b.EOS) {
		parts = append(parts, map[bool]string{true: "ended by the policy", false: "cut off"}[b.EOS[row]])
	}
	if row < len(b.Score) {
		parts = append(parts, "score "+number(float64(b.Score[row])))
	}
	if row < len(b.KL) && len(b.KL[row]) >= len(b.Mask[row]) {
		parts = append(parts, "Σ kₜ = "+number(b.RowKL(row))+" nats")
	}
	if row < len(b.Gold) {
		parts = append(parts, fmt.Sprintf("truth: helpful %s, harmless %s (%s)", number(b.Gold[row].Helpful), number(b.Gold[row].Harmless), b.Gold[row].Why))
	}
	if more := padding - paddingShown; more > 0 {
		parts = append(parts, fmt.Sprintf("padding not listed: %d", more))
	}
	s := strings.Join(parts, " · ")
	if row < len(b.Prompts) {
		s = prompt(b.Prompts[row]).text + "\n" + s
	}
	return s
}

// visible makes the spaces of a token visible.
func visible(piece string) string {
	return strings.NewReplacer(" ", "␣", "\n", "⏎", "\t", "⇥").Replace(clean(piece))
}
