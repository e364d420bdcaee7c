package feedback

import (
	"errors"
	"io"

	"hhrlhf/rlhf/online"
)

// A How is a way of asking.
type How string

// The ways of asking. Auto is Widget in a notebook and Input elsewhere; a notebook that
// runs without a user falls back on Options.Simulated, and one whose front-end knows no
// widgets on Input.
const (
	Auto      How = ""
	Widget    How = "widget"    // buttons in the notebook
	Input     How = "input"     // a line of text: an input box in a notebook, the terminal elsewhere
	Simulated How = "simulated" // nobody is asked
	Elsewhere How = "elsewhere" // wait for an answer that is given on the page of "rlhf feedback"
)

// HowEnv names a way of asking for a session that leaves it open.
const HowEnv = "RLHF_FEEDBACK"

// LabellerEnv names the labeller of a session that leaves it open.
const LabellerEnv = "RLHF_LABELLER"

// Options of a session.
type Options struct {
	// Labeller is whose answers they are. "": $RLHF_LABELLER, else the user's name.
	Labeller string
	// How the labeller is asked. Auto: $RLHF_FEEDBACK, else what the place allows.
	How How
	// Simulated answers where nobody is there to: a notebook executed without a browser. nil:
	// asking there is an error, ErrNobody. Its answers are kept as those of [SimulatedName].
	Simulated online.Labeller
	// Mode is the mode of the questions that come from an online loop. nil: Helpful.
	Mode func(prompt string) Mode
	// In and Out are the terminal of Input. nil: standard input and output.
	In  io.Reader
	Out io.Writer
}

// SimulatedName is the labeller whose votes are those of Options.Simulated: they never pass
// for a human's.
const SimulatedName = "simulated"

// ErrNobody means that there is nobody to be asked.
var ErrNobody = errors.New("nobody is there to answer: this notebook is executed without a user; run it in a browser, or give feedback.Options a Simulated labeller")
