package show

import (
	"fmt"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"hhrlhf/rlhf"
)

// Each trains runs to their planned numbers of steps, one after the other, under one
// line of progress that says which of them and how long the rest will take: for
// studies of many runs, of which no single one needs a figure.
func Each[R rlhf.Run](runs []R) {
	id, start := gonbui.UniqueId(), time.Now()
	total, todo := 0, make([]int, len(runs))
	for i, r := range runs {
		info, err := r.Info()
		if err != nil {
			fail(err)
			return
		}
		todo[i] = max(0, info.Planned-info.Step)
		total += todo[i]
	}
	drawn, done := time.Time{}, 0
	say := func(text string) {
		drawn = time.Now()
		put(output{id: id, html: "<div>" + escape(text) + "</div>", text: text + "\n"})
	}
	pause := redraw
	if !notebook() {
		pause = printEvery
	}
	for i, r := range runs {
		before := done
		for e, err := range r.Train() {
			if err != nil {
				say(fmt.Sprintf("run %d of %d stopped", i+1, len(runs)))
				fail(err)
				return
			}
			if e.Point != nil {
				done++
			}
			if time.Since(drawn) < pause {
				continue
			}
			text := fmt.Sprintf("run %d of %d · %s · step %d of %d", i+1, len(runs), oneLine(e.Run), e.Step, e.Of)
			if e.Message != "" {
				text += " · " + oneLine(e.Message)
			} else if done > 0 {
				text += " · " + clock(time.Since(start)/time.Duration(done)*time.Duration(total-done)) + " left"
			}
			say(text)
		}
		done = before + todo[i]
	}
	what := "runs"
	if len(runs) == 1 {
		what = "run"
	}
	say(fmt.Sprintf("%d %s · %d steps · %s", len(runs), what, total, clock(time.Since(start))))
	flush()
}
