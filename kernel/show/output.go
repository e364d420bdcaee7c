package show

import (
	"fmt"
	"os"

	"hhrlhf/kernel/display"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// An output is one thing to show: a picture, HTML or Markdown, and always the
// text that says the same.
type output struct {
	id            string // display id: later outputs of the same id replace this one
	png           []byte
	width, height int // of the picture as displayed, CSS pixels
	html          string
	markdown      string
	text          string
}

// Where outputs go; tests put others in their place.
var (
	notebook = func() bool { return gonbui.IsNotebook }
	send     = sendGonb
	flush    = display.Flush
	exit     = os.Exit
	complain = func(text string) { fmt.Fprintln(os.Stderr, text) }
	drawCard = (*card).png
)

// put shows o: in a notebook as itself, elsewhere as its text.
func put(o output) {
	if notebook() {
		send(o)
		return
	}
	fmt.Print(o.text)
}

// show puts outputs that stand alone and waits until they have arrived.
func show(outputs ...output) {
	for _, o := range outputs {
		put(o)
	}
	flush()
}

func sendGonb(o output) {
	d := &protocol.DisplayData{
		Data:      map[protocol.MIMEType]any{protocol.MIMETextPlain: o.text},
		Metadata:  map[string]any{},
		DisplayID: o.id,
	}
	if asResult {
		d.Data[display.MIMEResult] = true
		asResult = false
	}
	switch {
	case o.png != nil:
		d.Data[protocol.MIMEImagePNG] = o.png
		d.Metadata[string(protocol.MIMEImagePNG)] = map[string]int{"width": o.width, "height": o.height}
	case o.html != "":
		d.Data[protocol.MIMETextHTML] = o.html
	case o.markdown != "":
		d.Data[protocol.MIMETextMarkdown] = o.markdown
	}
	gonbui.SendData(d)
}

// fail ends the program with the error, after everything shown has arrived.
func fail(err error) {
	flush()
	complain(clean(err.Error()))
	exit(1)
}
