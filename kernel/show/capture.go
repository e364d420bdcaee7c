package show

import (
	"errors"
	"strings"
)

// A Picture is a figure on its way to something that is not a notebook.
type Picture struct {
	PNG           []byte // nil: it is a table
	Width, Height int    // as displayed, CSS pixels
	HTML          string // of a table: inline styles only
	Text          string // says the same
}

// Capture calls draw and returns what it would have shown in a notebook. Where a function
// of this package would have programEnd the program, the error says why. One call at a time.
func Capture(draw func()) (pictures []Picture, err error) {
	oldNotebook, oldSend, oldFlush, oldExit, oldComplain := notebook, send, flush, exit, complain
	var said []string
	defer func() {
		notebook, send, flush, exit, complain = oldNotebook, oldSend, oldFlush, oldExit, oldComplain
		switch r := recover().(type) {
		case nil:
		case programEnd:
			err = errors.New(strings.Join(said, "; "))
		default:
			panic(r)
		}
	}()
	notebook, flush = func() bool { return true }, func() {}
	send = func(o output) { pictures = append(pictures, Picture{o.png, o.width, o.height, o.html, o.text}) }
	complain = func(text string) { said = append(said, text) }
	exit = func(code int) { panic(programEnd{}) }
	draw()
	return pictures, nil
}

// programEnd stands for the end of the program within Capture.
type programEnd struct{}
