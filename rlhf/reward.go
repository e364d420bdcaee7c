package rlhf

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime/debug"
	"time"
)

// A Reward scores responses, one number each: Go code in the place of a preference
// model. It sees the transcripts of one batch, in the order of its rows.
type Reward func([]Transcript) ([]float64, error)

// ErrReward is wrapped by the error of a reward that panicked, or whose scores could not
// be used.
var ErrReward = errors.New("reward")

// StepsWith trains n steps of a PPO run whose score is the reward's, whatever PM the run
// has: Rollout, Score, the reward in the place of Batch.Score, Shape, Advantages and
// Update. The reward runs where the caller is: in the notebook's cell, while
// the engine waits between two phases.
//
// A reward that panics, returns an error, too few scores or one that is not finite ends
// the loop with an error that wraps ErrReward and shows the response; the run stands at
// the last whole step, from which the next call goes on. Breaking off the loop stops
// after the step in progress.
func StepsWith(run PPORun, n int, reward Reward) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		info, err := run.Info()
		event := Event{Run: info.Name, Kind: info.Kind, Step: info.Step, Of: info.Step + n}
		if err != nil {
			yield(event, err)
			return
		}
		event.Message = "compiling"
		if n > 0 && !yield(event, nil) {
			return
		}
		event.Message = ""
		start := time.Now()
		for i := range n {
			b, point, err := stepWith(run, reward)
			if err != nil {
				yield(event, err)
				return
			}
			event.Step, event.Point = point.Step, &point
			event.Samples = b.Samples(ShownSamples)
			event.Left = time.Since(start) / time.Duration(i+1) * time.Duration(n-i-1)
			if i == 0 { // it has compiled
				start = time.Now()
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// ShownSamples is how many responses of a batch an event carries.
const ShownSamples = 4

func stepWith(run PPORun, reward Reward) (*Batch, Point, error) {
	b, err := run.Rollout()
	if err != nil {
		return nil, Point{}, err
	}
	if err := run.Score(b); err != nil {
		return nil, Point{}, err
	}
	if b.Score, err = reward.score(b); err != nil {
		return nil, Point{}, err
	}
	if err := run.Shape(b); err != nil {
		return nil, Point{}, err
	}
	if err := run.Advantages(b); err != nil {
		return nil, Point{}, err
	}
	point, err := run.Update(b)
	return b, point, err
}

// score asks the reward about a batch and refuses what PPO could not use.
func (r Reward) score(b *Batch) (scores []float32, err error) {
	transcripts := make([]Transcript, len(b.Prompts))
	for i := range transcripts {
		transcripts[i] = Transcript{Prompt: b.Prompts[i], Response: b.Responses[i]}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w panicked at step %d on a batch that begins with the response %.120q: %v\n%s", ErrReward, b.Step, b.Responses[0], p, debug.Stack())
		}
	}()
	values, err := r(transcripts)
	if err != nil {
		return nil, fmt.Errorf("%w: step %d: %w", ErrReward, b.Step, err)
	}
	if len(values) != len(transcripts) {
		return nil, fmt.Errorf("%w: step %d: %d scores for %d responses", ErrReward, b.Step, len(values), len(transcripts))
	}
	scores = make([]float32, len(values))
	for i, v := range values {
		if scores[i] = float32(v); math.IsNaN(v) || math.IsInf(float64(scores[i]), 0) {
			return nil, fmt.Errorf("%w: step %d: score %v for row %d, the response %.120q to %.120q; want a finite number", ErrReward, b.Step, v, i, b.Responses[i], b.Prompts[i])
		}
	}
	return scores, nil
}
