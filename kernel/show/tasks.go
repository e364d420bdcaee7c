package show

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tasks"
)

// Asked is what a model has of a task, and a name for the row of marks that it belongs to: a
// model's, or how it was asked.
type Asked struct {
	Name   string
	Result tasks.Result
}

// Tasks draws the share that is right of each task, by the measure that it is quoted by, with
// its 95 % interval over items; what guessing gets right is a grey line. Results of one Name share a
// colour, and those of one task a row: before and after training, or without and with examples.
func Tasks(title string, asked ...Asked) {
	p := shares(title)
	rows := [][]string{{"task", "", "measure", "examples", "right", "95 % interval", "chance", "items"}}
	var names []string
	for _, a := range asked {
		task, name, m := brief(a.Result.Task), brief(a.Name), a.Result.Main()
		p.mark(task, name, m, a.Result.Chance, &names)
		rows = append(rows, []string{task, name, brief(string(a.Result.Norm)), fmt.Sprint(a.Result.Shots), fmt.Sprintf("%.3f", m.Value),
			fmt.Sprintf("%.3f to %.3f", m.Low, m.High), fmt.Sprintf("%.3f", a.Result.Chance), fmt.Sprint(m.N)})
	}
	p.finish(names, rows)
}

// Norms draws the share that is right by each measure of multiple choice, one row a task: how
// much of a score is the way of scoring.
func Norms(title string, rs ...tasks.Result) {
	p := shares(title)
	rows := [][]string{{"task", "measure", "right", "95 % interval", "chance", "items"}}
	var names []string
	for _, r := range rs {
		for i, a := range r.Accuracies {
			task, norm := brief(r.Task), brief(string(r.Norms[i]))
			p.mark(task, norm, a, r.Chance, &names)
			rows = append(rows, []string{task, norm, fmt.Sprintf("%.3f", a.Value), fmt.Sprintf("%.3f to %.3f", a.Low, a.High),
				fmt.Sprintf("%.3f", r.Chance), fmt.Sprint(a.N)})
		}
	}
	p.finish(names, rows)
}

// brief is a name on one line that is not too long.
func brief(s string) string { return shorten(oneLine(s), longestEnd) }

// A shareChart has one row of marks for each task.
type shareChart struct {
	*panel
	rows []shareRow
}

// A shareRow is the marks of one task.
type shareRow struct {
	task   string
	chance float64
	marks  []shareMark
}

type shareMark struct {
	name string
	a    rlhf.Accuracy
}

func shares(title string) *shareChart {
	return &shareChart{panel: &panel{title: title, xLabel: "share right", empty: "nothing was asked", leftMargin: leftMargin}}
}

// mark adds one share to its task's row; names are those of the marks in the order they came.
func (s *shareChart) mark(task, name string, a rlhf.Accuracy, chance float64, names *[]string) {
	if !slices.Contains(*names, name) {
		*names = append(*names, name)
	}
	at := slices.IndexFunc(s.rows, func(r shareRow) bool { return r.task == task })
	if at < 0 {
		at = len(s.rows)
		s.rows = append(s.rows, shareRow{task: task, chance: chance})
	}
	s.rows[at].marks = append(s.rows[at].marks, shareMark{name, a})
}

// finish lays the rows out, the first on top, and shows the picture.
func (s *shareChart) finish(names []string, text [][]string) {
	n, band := len(s.rows), 0.62
	if len(names) > 3 {
		band = 0.8
	}
	s.x, s.y = fixed(0, 1), fixed(-0.6, max(float64(n)-0.4, 0.4))
	style := lettering(tickSize, false, ink)
	for i, r := range s.rows {
		y := float64(n - 1 - i)
		s.categories = append([]string{r.task}, s.categories...)
		s.leftMargin = max(s.leftMargin, style.Width(r.task)+14)
		if r.chance > 0 {
			s.segment(r.chance, y-0.42, r.chance, y+0.42, dim, 2, true)
		}
		for _, m := range r.marks {
			k := slices.Index(names, m.name)
			c := palette[k%len(palette)]
			at := y + band/2 - band*(float64(k)+0.5)/float64(len(names))
			s.segment(m.a.Low, at, m.a.High, at, c, 2.4, false)
			s.dots(series{[]float64{m.a.Value}, []float64{at}}, []color.NRGBA{c}, []float64{4.5})
		}
	}
	for k, name := range names {
		if name != "" || len(names) > 1 {
			s.key = append(s.key, key{label: name, color: palette[k%len(palette)], dot: true})
		}
	}
	s.key = append(s.key, key{label: "guessing", color: dim, dashed: true})
	s.leftMargin = min(s.leftMargin, vg.Length(190))
	c := grid(s.panel)
	c.height = max(c.height, 130+n*max(34, 15*len(names)))
	c.caption = "Bars: 95 % Wilson intervals over items."
	c.text = shorten(clean(s.title), 200) + "\n" + columns(text)
	show(c.output(""))
}
