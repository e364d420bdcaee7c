package study_test

import (
	"errors"
	"slices"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/study"
)

func TestEvents(t *testing.T) {
	var said []string
	st, err := study.Open(nil, "s", smallest(), study.Options{Dir: t.TempDir(), Say: func(e rlhf.Event) error { said = append(said, e.Message); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	measure := func(st *study.Study) (int, error) {
		return 0, errors.Join(st.Say("first"), st.Say("second"), broken)
	}
	var got []string
	var last error
	for e, err := range study.Events(st, measure) {
		got, last = append(got, e.Message), err
	}
	if want := []string{"first", "second", ""}; !slices.Equal(got, want) || !errors.Is(last, broken) || !slices.Equal(said, want[:2]) {
		t.Errorf("%q, %v; to the study's own listener %q", got, last, said)
	}
	n := 0
	for _, err := range study.Events(st, func(st *study.Study) (int, error) {
		for {
			if err := st.Say("on and on"); err != nil {
				return 0, err
			}
		}
	}) {
		if n++; err != nil || n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("broken off after 3 events, seen %d", n)
	}
}
