package show

import (
	"fmt"
	"iter"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// pairsLooked is the number of held-out comparisons that TrainPM scores each time.
const pairsLooked = 256

// TrainPM is [Train] for a preference model, with a look at held-out comparisons at its
// first step, at its last and looks−1 times between: the figure then shows the
// calibration of the model and the distribution of its scores while they come about.
// A look scores 256 comparisons and saves the run, which takes as long as a few steps;
// the numbers of the run are the same with and without.
func TrainPM(run rlhf.PMRun, looks int) {
	s, err := past(run)
	if err == nil {
		s.board.looks = true
		err = watch(trainLooking(run, max(1, looks)), s)
	}
	if err != nil {
		fail(err)
	}
}

func trainLooking(run rlhf.PMRun, looks int) iter.Seq2[news, error] {
	return func(yield func(news, error) bool) {
		info, err := run.Info()
		e := rlhf.Event{Run: info.Name, Kind: info.Kind, Step: info.Step, Of: max(info.Planned, info.Step), Message: "scoring held-out comparisons"}
		var held []rlhf.Comparison
		if err == nil {
			held, err = run.Comparisons(pairsLooked)
		}
		if err != nil {
			yield(news{Event: e}, fmt.Errorf("show: TrainPM: %w", err))
			return
		}
		for stretch := 0; ; stretch++ {
			if !yield(news{Event: e}, nil) {
				return
			}
			judged, err := eval.Judge(held, run.Score)
			if err != nil {
				yield(news{Event: e}, fmt.Errorf("show: TrainPM: %w", err))
				return
			}
			if !yield(news{Event: e, judged: judged}, nil) || e.Step >= e.Of {
				return
			}
			of, step := e.Of, e.Step
			for e2, err := range run.Steps(max(1, (of-info.Step)*(stretch+1)/looks-(e.Step-info.Step))) {
				if err != nil {
					yield(news{Event: e2}, err)
					return
				}
				if left := e2.Of - e2.Step; left > 0 { // the estimate is of this stretch alone
					e2.Left = e2.Left / time.Duration(left) * time.Duration(of-e2.Step)
				}
				e2.Of = of
				if !yield(news{Event: e2}, nil) {
					return
				}
				step = max(step, e2.Step)
			}
			if step == e.Step {
				return // it trains no further
			}
			e.Step = step
		}
	}
}
