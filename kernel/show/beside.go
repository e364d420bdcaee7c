package show

import (
	"fmt"
	"image/color"
	"slices"

	"hhrlhf/rlhf/study"
)

// Beside draws authors two by two, each with how often the crowd preferred it: policies beside
// writers (Bai et al. 2022, section 6.1, figure 24, where the HH policy has 0.56 to 0.57 and the helpful-only
// one 0.51). Several rankings, such as a study's seeds, are bars side by side.
func Beside(rankings ...study.Beside) {
	p := &panel{title: "Whose answer is preferred", xLabel: "share of decided comparisons", x: fixed(0, 1), empty: "no comparisons"}
	p.x.step = 0.25
	rows := [][]string{{"ranking", "author", "over", "preferred", "95 % interval", "decided", "undecided"}}
	var names []string
	for n, b := range rankings {
		for _, q := range b.Pairs {
			name := shorten(oneLine(q.A), 20) + " / " + shorten(oneLine(q.B), 20)
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			rows = append(rows, []string{fmt.Sprint(n + 1), shorten(oneLine(q.A), 26), shorten(oneLine(q.B), 26), fmt.Sprintf("%.3f", q.Won.Value), fmt.Sprintf("%.3f to %.3f", q.Won.Low, q.Won.High), fmt.Sprint(q.Won.N), fmt.Sprint(q.Unsure)})
		}
	}
	p.y = fixed(-0.6, max(float64(len(names))-0.4, 0.4))
	style := lettering(tickSize, false, ink)
	p.leftMargin = leftMargin
	for i := len(names) - 1; i >= 0; i-- {
		p.categories = append(p.categories, names[i])
		p.leftMargin = max(p.leftMargin, style.Width(names[i])+14)
	}
	for n, b := range rankings {
		for _, q := range b.Pairs {
			if q.Won.N == 0 {
				continue
			}
			row := slices.Index(names, shorten(oneLine(q.A), 20)+" / "+shorten(oneLine(q.B), 20))
			y := float64(len(names)-1-row) - 0.16*(float64(n)-float64(len(rankings)-1)/2)
			c := modelColor(n)
			p.segment(q.Won.Low, y, q.Won.High, y, c, 2.4, false)
			p.dots(series{[]float64{q.Won.Value}, []float64{y}}, []color.NRGBA{c}, []float64{5})
		}
		if len(rankings) > 1 {
			p.key = append(p.key, key{label: fmt.Sprintf("seed %d", n+1), color: modelColor(n), dot: true})
		}
	}
	p.plumb(0.5, dim, 1.8, true)
	p.key = append(p.key, key{label: "as good as each other", color: dim, dashed: true})
	worth := [][]string{{"ranking", "author", "mean score", "gold worth", "Elo", "95 % interval"}}
	for n, b := range rankings {
		for i, a := range b.Authors {
			row := []string{fmt.Sprint(n + 1), shorten(oneLine(a), 26), "", "", "", ""}
			if i < len(b.Scores) {
				row[2] = fmt.Sprintf("%.2f", b.Scores[i])
			}
			if i < len(b.Worth) {
				row[3] = fmt.Sprintf("%.2f", b.Worth[i])
			}
			if i < len(b.Elo) {
				row[4], row[5] = signed(float64(int(b.Elo[i].Elo))), interval(b.Elo[i])
			}
			worth = append(worth, row)
		}
	}
	c := grid(p)
	c.caption = "A / B: how often A was preferred to B. Bars: 95 % intervals. A policy shows the sample of median score of so many."
	c.text = "whose answer is preferred\n" + columns(rows) + columns(worth)
	show(c.output(""))
}
