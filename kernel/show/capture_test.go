package show_test

import (
	"strings"
	"testing"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf/eval"
)

// Capture returns what a notebook would have got, leaves the package as it was, and turns
// the end of the program into an error.
func TestCapture(t *testing.T) {
	show.Undrawn(t)
	pictures, err := show.Capture(func() {
		show.Elo([]eval.Rating{{Name: "a"}, {Name: "b", Elo: 9, High: 12}})
		show.Table([]string{"x"}, [][]any{{1}})
	})
	if err != nil || len(pictures) != 2 || pictures[0].PNG == nil || pictures[0].Width == 0 || pictures[1].HTML == "" {
		t.Errorf("%d pictures, error %v", len(pictures), err)
	}
	if _, err := show.Capture(func() { show.Ledger(batchOf("x"), 99) }); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("error %v, want the one that names row 99", err)
	}
	caught := 0
	show.Catch(t, func(show.Shown) { caught++ })
	show.Elo(nil)
	if caught != 1 {
		t.Errorf("%d outputs after Capture, want 1", caught)
	}
}
