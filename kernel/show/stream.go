package show

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
)

// Stream shows a text while it is written, under what it answers, and returns
// it. In a program that is no cell the pieces are printed as they come.
func Stream(question string, pieces iter.Seq2[string, error]) string {
	id := gonbui.UniqueId()
	var text strings.Builder
	frame := func(cursor string) output {
		t := &table{rows: [][]cell{{{text: "Human", style: "font-weight:bold;"}, {text: strings.TrimSpace(question), style: "max-width:50em;"}},
			{{text: "Assistant", style: "font-weight:bold;"}, {text: strings.TrimSpace(text.String()) + cursor, style: "max-width:50em;"}}}}
		return output{id: id, html: t.html(), text: t.String()}
	}
	if !notebook() {
		fmt.Printf("Human: %s\nAssistant:", clean(strings.TrimSpace(question)))
	}
	var drawn time.Time
	for p, err := range pieces {
		if err != nil {
			if notebook() {
				put(frame(""))
			}
			fail(err)
			return text.String()
		}
		text.WriteString(p)
		switch {
		case !notebook():
			fmt.Print(clean(p))
		case time.Since(drawn) > 100*time.Millisecond:
			put(frame("▌"))
			drawn = time.Now()
		}
	}
	if notebook() {
		show(frame(""))
	} else {
		fmt.Println()
	}
	return text.String()
}
