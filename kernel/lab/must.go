package lab

import (
	"fmt"
	"os"
	"strings"
	"time"

	"hhrlhf/rlhf"
)

// Must returns v, or ends the cell with the error, as [Check] does.
//
//	run := lab.Must(s.OpenPPO("ppo-1"))
func Must[T any](v T, err error) T {
	Check(err)
	return v
}

// Check ends the cell if err is not nil: it lets the pictures displayed so far
// arrive, prints the error and exits with status 1, which marks the cell as
// failed. It belongs into cells only; programs return their errors.
func Check(err error) {
	if err == nil {
		return
	}
	flush(3 * time.Second)
	fmt.Fprintln(os.Stderr, "✗ "+strings.TrimSpace(err.Error()))
	os.Exit(1)
}

// Size returns the size that the environment asks for in RLHF_SIZE ("tiny",
// "default", "large"), rlhf.Default if it is not set: the one dial of a notebook.
// A size that does not exist is reported by the run it configures.
func Size() rlhf.Size {
	if s := os.Getenv("RLHF_SIZE"); s != "" {
		return rlhf.Size(s)
	}
	return rlhf.Default
}
