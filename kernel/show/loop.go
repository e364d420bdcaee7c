package show

import (
	"fmt"
	"iter"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"hhrlhf/rlhf"
)

// Progress goes through the events of something that trains several runs, as an online
// loop does, under one line that says which stage of how many, what is done in it,
// and how long that will take. If it fails, the line stays, the error is printed and
// the program ends with exit code 1.
func Progress(events iter.Seq2[rlhf.Event, error]) {
	p := progress{id: gonbui.UniqueId(), start: time.Now()}
	p.pause = redraw
	if !notebook() {
		p.pause = printEvery
	}
	for e, err := range events {
		if err != nil {
			p.say("stopped")
			fail(err)
			return
		}
		p.add(e)
	}
	p.end()
	flush()
}

// progress is one line.
type progress struct {
	id     string
	pause  time.Duration // between two draws
	start  time.Time
	drawn  time.Time
	stage  rlhf.Event // the newest event with stages
	run    rlhf.Event // the newest event of a run since then
	events int
}

// add takes in an event; those with a Message and no Point of the first run count stages.
func (p *progress) add(e rlhf.Event) {
	p.events++
	if p.events == 1 || e.Run == p.stage.Run {
		p.stage, p.run = e, rlhf.Event{}
	} else {
		p.run = e
	}
	if time.Since(p.drawn) >= p.pause {
		p.say(p.line())
	}
}

func (p *progress) line() string {
	text := oneLine(p.stage.Run)
	if p.stage.Of > 0 { // a study does not know how much is on disk
		text += fmt.Sprintf(" · stage %d of %d", p.stage.Step+1, p.stage.Of)
	}
	text += " · " + oneLine(p.stage.Message)
	left := p.stage.Left
	if p.run.Run != "" {
		text += fmt.Sprintf(" · %s, step %d of %d", oneLine(p.run.Run), p.run.Step, p.run.Of)
		if left = p.run.Left; p.run.Message != "" {
			text += ", " + oneLine(p.run.Message)
		}
	}
	if left > 0 {
		text += " · " + clock(left) + " left of this"
	}
	return text
}

func (p *progress) end() {
	if p.events == 0 {
		p.say("nothing to do: all stages are done")
		return
	}
	text := oneLine(p.stage.Run) + " · done"
	if p.stage.Of > 0 {
		text = fmt.Sprintf("%s · %d stages", oneLine(p.stage.Run), p.stage.Of)
	}
	p.say(text + " · " + clock(time.Since(p.start)))
}

func (p *progress) say(text string) {
	p.drawn = time.Now()
	put(output{id: p.id, html: "<div>" + escape(text) + "</div>", text: text + "\n"})
}
