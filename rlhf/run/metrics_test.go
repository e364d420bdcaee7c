package run_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

func read(t *testing.T, r *run.Run, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.Dir(), name))
	check(t, err)
	return string(data)
}

func appendText(t *testing.T, r *run.Run, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(r.Dir(), name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(t, err)
	_, err = f.WriteString(text)
	check(t, errors.Join(err, f.Close()))
}

func TestMetrics(t *testing.T) {
	r := newRun(t)
	if points, err := r.Metrics(); err != nil || points != nil {
		t.Errorf("a new run has metrics %v, %v", points, err)
	}
	want := []rlhf.Point{
		{Step: 0, Values: map[string]float64{"loss/value": 1.0 / 3, "objective/kl": 0, "a": 1e-300}},
		{Step: 3, Values: map[string]float64{}},
		{Step: 2, Values: map[string]float64{"big": math.MaxFloat64, "neg": -2}},
	}
	for _, p := range want {
		check(t, r.AppendMetrics(p.Step, p.Values))
	}
	got, err := r.Metrics()
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Metrics (-written +read):\n%s", diff)
	}
	const text = `{"step":0,"a":1e-300,"loss/value":0.3333333333333333,"objective/kl":0}
{"step":3}
{"step":2,"big":1.7976931348623157e+308,"neg":-2}
`
	if diff := cmp.Diff(text, read(t, r, "metrics.jsonl")); diff != "" {
		t.Errorf("metrics.jsonl (-want +got):\n%s", diff)
	}
}

func TestMetricsRefused(t *testing.T) {
	r := newRun(t)
	nan, inf := math.NaN(), math.Inf(-1)
	wantError(t, r.AppendMetrics(4, map[string]float64{"ok": 1, "loss/policy": nan, "b": inf}), nil,
		`run: metrics of step 4 of "r"`, `"loss/policy" is NaN`, `"b" is -Inf`)
	wantError(t, r.AppendMetrics(-1, nil), nil, "step = -1, want 0 or more")
	wantError(t, r.AppendMetrics(1, map[string]float64{"step": 1}), nil, `"step" is no name for a metric`)
	wantError(t, r.AppendMetrics(1, map[string]float64{"": 1}), nil, `"" is no name for a metric`)
	if points, err := r.Metrics(); err != nil || points != nil {
		t.Errorf("refused metrics were written: %v, %v", points, err)
	}
}

func TestMetricsTornAndBroken(t *testing.T) {
	r := newRun(t)
	check(t, r.AppendMetrics(1, map[string]float64{"x": 1}))
	// A torn last line, even one that happens to be whole JSON.
	for _, torn := range []string{`{"step":2,"x`, `{"step":2}`, "\x00\x00"} {
		appendText(t, r, "metrics.jsonl", torn)
		if points, err := r.Metrics(); err != nil || len(points) != 1 {
			t.Errorf("torn line %q: %v, %v, want the one line before it", torn, points, err)
		}
		check(t, r.Close())
		check(t, r.Lock()) // the next writer removes it
		if got := read(t, r, "metrics.jsonl"); got != "{\"step\":1,\"x\":1}\n" {
			t.Errorf("after the torn line %q the file is %q", torn, got)
		}
	}
	check(t, r.AppendMetrics(2, nil))
	path := filepath.Join(r.Dir(), "metrics.jsonl")
	for _, c := range []struct{ line, want string }{
		{`{"step":3,`, "unexpected end of JSON input"},
		{``, "unexpected end of JSON input"},
		{`{"x":1}`, `no "step"`},
		{`{"step":1.5}`, "step = 1.5, want an integer"},
		{`{"step":-1}`, "step = -1, want an integer, 0 or more"},
		{`{"step":1,"x":"y"}`, "invalid number literal"},
		{`{"step":1,"x":null}`, `"x" = "", want a number`},
		{`[1]`, "cannot unmarshal array"},
	} {
		before := read(t, r, "metrics.jsonl")
		appendText(t, r, "metrics.jsonl", c.line+"\n")
		_, err := r.Metrics()
		wantError(t, err, nil, path+":3: ", c.want)
		wantError(t, r.TruncateAfter(1), nil, path+":3: ", c.want)
		check(t, os.WriteFile(path, []byte(before), 0o600))
	}
}

// A torn tail longer than one block of the backwards search, and a file that is
// nothing but torn.
func TestTornLong(t *testing.T) {
	for _, before := range []string{"", "{\"step\":1}\n"} {
		r := newRun(t)
		appendText(t, r, "metrics.jsonl", before+strings.Repeat("x", 10_000))
		check(t, r.Close())
		check(t, r.Lock())
		if got := read(t, r, "metrics.jsonl"); got != before {
			t.Errorf("%d bytes left, want %d", len(got), len(before))
		}
	}
}

func TestSamples(t *testing.T) {
	r := newRun(t)
	check(t, r.AppendSample(1, map[string]any{"text": "<b>\n\nHuman: é", "score": 0.5}))
	check(t, r.AppendSample(2, nil))
	check(t, r.AppendSample(2, []int{1}))
	var got []string
	check(t, r.Samples(func(step int, raw json.RawMessage) error {
		got = append(got, string(rune('0'+step))+" "+string(raw))
		return nil
	}))
	want := []string{`1 {"score":0.5,"text":"\u003cb\u003e\n\nHuman: é"}`, "2 null", "2 [1]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Samples (-want +got):\n%s", diff)
	}
	stop := errors.New("enough")
	calls := 0
	if err := r.Samples(func(int, json.RawMessage) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("Samples: %v after %d calls, want the callback's own error after 1", err, calls)
	}
	wantError(t, r.AppendSample(-1, 1), nil, "step -1")
	wantError(t, r.AppendSample(1, math.NaN()), nil, "sample of step 1", "NaN")
	path := filepath.Join(r.Dir(), "samples.jsonl")
	appendText(t, r, "samples.jsonl", "{\"step\":1}\n")
	err := r.Samples(func(int, json.RawMessage) error { return nil })
	wantError(t, err, nil, path+":4: want {")
}

func TestConcurrentAppends(t *testing.T) {
	r := newRun(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				if err := r.AppendMetrics(w*25+i, map[string]float64{"x": 1}); err != nil {
					t.Error(err)
				}
				if _, err := r.Metrics(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if points, err := r.Metrics(); err != nil || len(points) != 100 {
		t.Errorf("%d points, %v; want 100", len(points), err)
	}
}

// step does one step of a pretend training: metrics, a sample, a checkpoint every
// second step.
func step(t *testing.T, r *run.Run, n int) {
	t.Helper()
	x := run.Seed(9).Stream("x", n).Float64()
	check(t, r.AppendMetrics(n, map[string]float64{"x": x}))
	check(t, r.AppendSample(n, x))
	if n%2 == 0 {
		check(t, r.SaveCheckpoint(run.Checkpoint{Step: n}))
	}
}

func TestTruncateAfter(t *testing.T) {
	straight := newRun(t)
	for n := range 7 {
		step(t, straight, n)
	}
	// The other run dies after step 5, whose checkpoint is that of step 4.
	resumed := newRun(t)
	for n := range 6 {
		step(t, resumed, n)
	}
	appendText(t, resumed, "samples.jsonl", `{"step":6,"sam`)
	check(t, resumed.Close())
	ck, err := resumed.LoadCheckpoint()
	check(t, err)
	check(t, resumed.TruncateAfter(ck.Step))
	check(t, resumed.TruncateAfter(ck.Step))
	for n := ck.Step + 1; n < 7; n++ {
		step(t, resumed, n)
	}
	for _, name := range []string{"metrics.jsonl", "samples.jsonl"} {
		if diff := cmp.Diff(read(t, straight, name), read(t, resumed, name)); diff != "" {
			t.Errorf("%s (-straight +resumed):\n%s", name, diff)
		}
	}
	// Later checkpoints go too: none may come back as the newest.
	check(t, resumed.TruncateAfter(5))
	if ck, err := resumed.LoadCheckpoint(); err != nil || ck.Step != 4 {
		t.Errorf("after TruncateAfter(5) the checkpoint is %v, %v; want step 4", ck, err)
	}
	check(t, resumed.TruncateAfter(-1))
	_, err = resumed.LoadCheckpoint()
	wantError(t, err, run.ErrNoCheckpoint)
	if got := read(t, resumed, "metrics.jsonl"); got != "" {
		t.Errorf("after TruncateAfter(-1) the metrics are %q", got)
	}
}

func BenchmarkAppendMetrics(b *testing.B) {
	r := newRun(b)
	values := map[string]float64{"objective/kl": 0.1, "objective/score": 2, "policy/clipfrac": 0.25, "loss/value": 0.5}
	for b.Loop() {
		check(b, r.AppendMetrics(1, values))
	}
}

// The newest point is that of the last line which has an end, however long the lines are.
func TestNewest(t *testing.T) {
	s, err := run.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(run.Manifest{Name: "r", Kind: "ppo"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if p, ok, err := r.Newest(); ok || err != nil {
		t.Errorf("of nothing: %+v, %v", p, err)
	}
	long := map[string]float64{}
	for i := range 2000 {
		long[fmt.Sprintf("metric/%d", i)] = float64(i) + 0.5
	}
	for step, values := range []map[string]float64{{"a": 1}, long, {"a": 2}, {}} {
		if err := r.AppendMetrics(step, values); err != nil {
			t.Fatal(err)
		}
		all, err := r.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		p, ok, err := r.Newest()
		if err != nil || !ok || !reflect.DeepEqual(p, all[len(all)-1]) {
			t.Errorf("step %d: %d values of step %d, %v", step, len(p.Values), p.Step, err)
		}
	}
	path := filepath.Join(r.Dir(), "metrics.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for tail, step := range map[string]int{`{"step":9`: 3, "": 3, "{\n": -1} {
		if err := os.WriteFile(path, append(text, tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		p, _, err := r.Newest()
		if step < 0 && err == nil || step >= 0 && (err != nil || p.Step != step) {
			t.Errorf("with %q at the end: step %d, %v", tail, p.Step, err)
		}
	}
}
