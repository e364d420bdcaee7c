package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"hhrlhf/rlhf"
)

// A metricsLine is a line of metrics.jsonl: one flat object,
// {"step":3,"objective/kl":0.1}, the keys in order.
type metricsLine rlhf.Point

const stepKey = "step"

// MarshalJSON refuses values that JSON has no number for, and names them.
func (p metricsLine) MarshalJSON() ([]byte, error) {
	if p.Step < 0 {
		return nil, fmt.Errorf("step = %d, want 0 or more", p.Step)
	}
	keys := slices.Sorted(maps.Keys(p.Values))
	var errs []error
	line := fmt.Appendf(nil, `{"step":%d`, p.Step)
	for _, key := range keys {
		v := p.Values[key]
		switch {
		case key == "" || key == stepKey:
			errs = append(errs, fmt.Errorf("%q is no name for a metric", key))
			continue
		case math.IsNaN(v) || math.IsInf(v, 0):
			errs = append(errs, fmt.Errorf("%q is %v", key, v))
			continue
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		number, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		line = append(append(append(append(line, ','), name...), ':'), number...)
	}
	return append(line, '}'), errors.Join(errs...)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *metricsLine) UnmarshalJSON(line []byte) error {
	var fields map[string]json.Number
	if err := json.Unmarshal(line, &fields); err != nil {
		return err
	}
	number, ok := fields[stepKey]
	if !ok {
		return fmt.Errorf("no %q", stepKey)
	}
	step, err := number.Int64()
	if err != nil || step < 0 {
		return fmt.Errorf("step = %s, want an integer, 0 or more", number)
	}
	delete(fields, stepKey)
	values := make(map[string]float64, len(fields))
	for key, number := range fields {
		v, err := number.Float64()
		if err != nil {
			return fmt.Errorf("%q = %q, want a number", key, number)
		}
		values[key] = v
	}
	p.Step, p.Values = int(step), values
	return nil
}

// AppendMetrics adds one line to metrics.jsonl. Values must be finite: a NaN is an
// error that names its metric, and nothing is written.
func (r *Run) AppendMetrics(step int, values map[string]float64) error {
	line, err := metricsLine{step, values}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("run: metrics of step %d of %q: %w", step, r.Name(), err)
	}
	return r.appendLine(metricsFile, append(line, '\n'))
}

// Metrics returns the lines of metrics.jsonl in the order in which they were
// written. A last line that a crash has torn is passed over; any other broken line
// is an error with its number.
func (r *Run) Metrics() ([]rlhf.Point, error) {
	var points []rlhf.Point
	path := filepath.Join(r.dir, metricsFile)
	err := eachLine(path, func(number int, line []byte) error {
		var p metricsLine
		if err := json.Unmarshal(line, &p); err != nil {
			return fmt.Errorf("run: %s:%d: %w", path, number, err)
		}
		points = append(points, rlhf.Point(p))
		return nil
	})
	return points, err
}

// Newest returns the last line of metrics.jsonl as [Run.Metrics] would, without
// reading the others; ok is false where there is none.
func (r *Run) Newest() (p rlhf.Point, ok bool, err error) {
	path := filepath.Join(r.dir, metricsFile)
	line, err := lastLine(path)
	if err != nil || line == nil {
		return p, false, err
	}
	if err := json.Unmarshal(line, (*metricsLine)(&p)); err != nil {
		return p, false, fmt.Errorf("run: %s: last line: %w", path, err)
	}
	return p, true, nil
}

// sampleLine is a line of samples.jsonl.
type sampleLine struct {
	Step   *int            `json:"step"`
	Sample json.RawMessage `json:"sample"`
}

// AppendSample adds one line to samples.jsonl, {"step":3,"sample":v}.
func (r *Run) AppendSample(step int, v any) error {
	fail := func(err error) error { return fmt.Errorf("run: sample of step %d of %q: %w", step, r.Name(), err) }
	if step < 0 {
		return fail(errors.New("want a step of 0 or more"))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fail(err)
	}
	line, err := json.Marshal(sampleLine{&step, raw})
	if err != nil {
		return fail(err)
	}
	return r.appendLine(samplesFile, append(line, '\n'))
}

// Samples calls do with every sample in the order in which they were written, and
// ends with its error if it returns one. Broken lines are treated as by
// [Run.Metrics].
func (r *Run) Samples(do func(step int, sample json.RawMessage) error) error {
	path := filepath.Join(r.dir, samplesFile)
	return eachLine(path, func(number int, line []byte) error {
		s, err := parseSample(line)
		if err != nil {
			return fmt.Errorf("run: %s:%d: %w", path, number, err)
		}
		return do(*s.Step, s.Sample)
	})
}

func parseSample(line []byte) (sampleLine, error) {
	var s sampleLine
	if err := json.Unmarshal(bytes.Clone(line), &s); err != nil {
		return s, err
	}
	if s.Step == nil || *s.Step < 0 || s.Sample == nil {
		return s, errors.New(`want {"step":N,"sample":…} with N 0 or more`)
	}
	return s, nil
}

// TruncateAfter forgets everything after a step: lines of metrics and samples, and
// checkpoints, whose step is greater. After loading a checkpoint, with its step,
// it makes the files of a run that goes on equal to those of a run that was
// never interrupted. It may be repeated.
func (r *Run) TruncateAfter(step int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lockForWriting(); err != nil {
		return err
	}
	metrics := filepath.Join(r.dir, metricsFile)
	err := keepLines(metrics, func(number int, line []byte) (bool, error) {
		var p metricsLine
		if err := json.Unmarshal(line, &p); err != nil {
			return false, fmt.Errorf("run: %s:%d: %w", metrics, number, err)
		}
		return p.Step <= step, nil
	})
	if err != nil {
		return err
	}
	samples := filepath.Join(r.dir, samplesFile)
	err = keepLines(samples, func(number int, line []byte) (bool, error) {
		s, err := parseSample(line)
		if err != nil {
			return false, fmt.Errorf("run: %s:%d: %w", samples, number, err)
		}
		return *s.Step <= step, nil
	})
	if err != nil {
		return err
	}
	all, err := r.checkpoints()
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.step > step {
			if err := removeDir(filepath.Join(r.checkpointDir(), c.name)); err != nil {
				return err
			}
		}
	}
	return nil
}
