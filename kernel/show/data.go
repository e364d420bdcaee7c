package show

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

// Data shows what a run was made from, as its Info().Data tells: how many rows
// were read, how many were left out for which reason, with the places of the
// first few, and how many were used. No row disappears in silence.
func Data(data ...rlhf.DataInfo) {
	t := &table{heads: [][]cell{heads("data", "", "rows", "share of what was read", "for example")}}
	for _, d := range data {
		share := func(n int) cell {
			if d.Read <= 0 {
				return cell{text: "—", right: true}
			}
			return cell{text: fmt.Sprintf("%.2f %%", 100*float64(n)/float64(d.Read)), right: true}
		}
		row := func(name, what, where string, n int, of cell, style string) {
			t.rows = append(t.rows, []cell{{text: name, style: "font-weight:bold;"}, {text: what, style: style}, {text: fmt.Sprint(n), right: true, style: style}, of, {text: where, style: "max-width:34em;"}})
		}
		name, left := d.Name, d.Read
		if d.Read > 0 {
			row(name, "read", "", d.Read, share(d.Read), "")
			name = ""
		}
		for _, o := range d.Odd {
			row(name, "left out: "+o.Reason, strings.Join(o.Where, ", "), o.Rows, share(o.Rows), tinted(-0.3))
			name, left = "", left-o.Rows
		}
		if left -= d.Rows; left > 0 {
			row(name, "not asked for", "", left, share(left), "")
			name = ""
		}
		hash := ""
		if d.SHA256 != "" {
			hash = "SHA-256 " + shorten(d.SHA256, 13)
		}
		row(name, "used", hash, d.Rows, share(d.Rows), "font-weight:bold;")
	}
	if len(data) == 0 {
		t.rows = [][]cell{heads("none", "", "", "", "")}
	}
	show(t.output())
}
