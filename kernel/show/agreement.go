package show

import (
	"fmt"
	"slices"

	"hhrlhf/rlhf/eval"
)

// Agreement shows how often every two raters choose the same response (Bai et al.
// 2022, figure 10 right): above the diagonal the share of items on which they
// agree, with its 95 % interval and the number of items, below it Cohen's κ.
// Tints are by the distance from chance: one half, and κ = 0.
func Agreement(pairs []eval.Agreed) {
	var names []string
	for _, p := range pairs {
		for _, n := range []string{p.A, p.B} {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	t := &table{
		heads: [][]cell{append(heads(""), heads(names...)...)},
		foot:  "Above the diagonal: share of items on which the two agree, 95 % interval (items); a coin agrees on 0.500. Below: Cohen's κ; chance is 0, always is 1.",
	}
	for i, a := range names {
		row := []cell{{text: a, style: "font-weight:bold;"}}
		for j, b := range names {
			row = append(row, agreementCell(pairs, a, b, i, j))
		}
		t.rows = append(t.rows, row)
	}
	if len(names) == 0 {
		t.rows = [][]cell{heads("no raters")}
		t.foot = ""
	}
	show(t.output())
}

func agreementCell(pairs []eval.Agreed, a, b string, i, j int) cell {
	k := slices.IndexFunc(pairs, func(p eval.Agreed) bool { return p.A == a && p.B == b || p.A == b && p.B == a })
	switch {
	case i == j || k < 0:
		return cell{text: "—"}
	case i > j:
		return cell{text: "κ = " + decimals(pairs[k].Kappa), style: tinted(pairs[k].Kappa)}
	}
	s := pairs[k].Share
	c := cell{
		text:  fmt.Sprintf("%.3f, %.3f to %.3f (%d)", s.Value, s.Low, s.High, s.N),
		html:  fmt.Sprintf(`<b>%.3f</b><br><span style="font-size:14px">%.3f to %.3f (%d)</span>`, s.Value, s.Low, s.High, s.N),
		style: tinted(2*s.Value - 1),
	}
	if s.N == 0 {
		return cell{text: "no items"}
	}
	return c
}
