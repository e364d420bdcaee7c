package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf/eval"
)

// Elo draws the scores of players with their 95 % intervals, one row a player, in the
// order given. Snapshots of one policy, whose names are alike up to an @, share a
// colour, and so do others that are alike up to their last dash; the anchor is grey (Bai et al. 2022,
// figures 1 and 15).
func Elo(ratings []eval.Rating) {
	n := len(ratings)
	p := &panel{title: "Elo of the policies, by the labellers' choices", xLabel: "Elo; a policy 100 points above another is preferred 64 times in 100", empty: "no ratings"}
	p.y = fixed(-0.6, max(float64(n)-0.4, 0.4))
	rows := [][]string{{"policy", "Elo", "95 % interval", "preferred to the anchor", "comparisons"}}
	groups := map[string]color.NRGBA{}
	style := lettering(tickSize, false, ink)
	p.leftMargin, p.rightMargin = leftMargin, 64
	ends := []float64{-20, 20}
	for i, r := range ratings {
		y := float64(n - 1 - i)
		group, _, snapshot := strings.Cut(r.Name, "@")
		if dash := strings.LastIndexByte(group, '-'); dash > 0 && !snapshot {
			group = group[:dash]
		}
		col, known := groups[group]
		if !known {
			col = palette[len(groups)%len(palette)]
		}
		if anchored := r.Elo == 0 && r.SE == 0; anchored {
			col = dim
		} else {
			groups[group] = col
		}
		name := shorten(oneLine(r.Name), 26)
		p.categories = append([]string{name}, p.categories...)
		p.leftMargin = max(p.leftMargin, style.Width(name)+14)
		rows = append(rows, []string{oneLine(r.Name), signed(math.Round(r.Elo)), fmt.Sprintf("%s to %s", signed(math.Round(r.Low)), signed(math.Round(r.High))),
			fmt.Sprintf("%.2f", eval.WinRate(r.Elo)), fmt.Sprint(r.Games)})
		if !finite(r.Elo) || !finite(r.Low) || !finite(r.High) {
			continue
		}
		ends = append(ends, r.Low, r.High)
		p.segment(r.Low, y, r.High, y, col, 2.6, false)
		for _, end := range []float64{r.Low, r.High} {
			p.segment(end, y-0.16, end, y+0.16, col, 2.6, false)
		}
		p.dots(series{[]float64{r.Elo}, []float64{y}}, []color.NRGBA{col}, []float64{6})
		p.ends([]end{{0, y, signed(math.Round(r.Elo)), col}})
	}
	p.x.include(ends...)
	p.plumb(0, dim, 1.6, true)
	p.leftMargin = min(p.leftMargin, vg.Length(170))
	c := grid(p)
	c.caption = "Bars: 95 % intervals of the difference from the anchor, at 0. Intervals that overlap a little can still differ."
	c.text = "Elo by maximum likelihood\n" + columns(rows)
	show(c.output(""))
}
