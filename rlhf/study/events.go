package study

import (
	"errors"
	"iter"

	"hhrlhf/rlhf"
)

// Events measures a section while the sequence is ranged over, and yields what a study with
// Options.Say would tell; an error comes last. Breaking off the loop keeps what is done.
//
//	show.Progress(study.Events(st, study.Robustness))
func Events[R any](st *Study, measure func(*Study) (R, error)) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		enough := errors.New("enough")
		told := *st
		told.o.Say = func(e rlhf.Event) error {
			if st.o.Say != nil {
				if err := st.o.Say(e); err != nil {
					return err
				}
			}
			if !yield(e, nil) {
				return enough
			}
			return nil
		}
		if _, err := measure(&told); err != nil && !errors.Is(err, enough) {
			yield(rlhf.Event{Run: st.name, Kind: Kind}, err)
		}
	}
}
