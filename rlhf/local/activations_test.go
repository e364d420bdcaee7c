package local_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

// Runs of both kinds have activations of every layer; a text has those that it has
// alone, in whichever company it is read; a long list is read in the parts in which the
// client of an engine sends it, bit for bit.
func TestActivations(t *testing.T) {
	l := trunked(t, t.TempDir())
	lm := lmOf(t)(l.OpenLM("lm"))
	pm := mustPM(t, l, "pm", pmConfig)
	texts := make([]string, rlhf.ProbedAtOnce+5)
	for i := range texts {
		texts[i] = fmt.Sprintf("\n\nHuman: What is %d plus %d?%s\n\nAssistant:", i%7, i%11, strings.Repeat(" Tell me.", i%6))
	}
	for name, probe := range map[string]func([]string, rlhf.Probe) (rlhf.Activations, error){"lm": lm.Activations, "pm": pm.Activations} {
		read := func(texts []string, p rlhf.Probe) rlhf.Activations {
			t.Helper()
			a, err := probe(texts, p)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		all := read(texts, rlhf.Probe{})
		if want := []int{0, 1}; !reflect.DeepEqual(all.Layers, want) || all.Width != lmConfig.Width || len(all.Texts) != len(texts) || len(all.At(1)[3]) != all.Width {
			t.Fatalf("%s: layers %v, width %d, %d texts", name, all.Layers, all.Width, len(all.Texts))
		}
		first, rest := read(texts[:rlhf.ProbedAtOnce], rlhf.Probe{}), read(texts[rlhf.ProbedAtOnce:], rlhf.Probe{})
		if !reflect.DeepEqual(all.Texts, append(first.Texts, rest.Texts...)) {
			t.Errorf("%s: in parts the bits differ", name)
		}
		alone := read(texts[5:6], rlhf.Probe{Layers: []int{1}, Pool: rlhf.LastToken})
		if d := distance(alone.At(0)[0], all.At(1)[5]); d > 1e-4 {
			t.Errorf("%s: alone a text is %v from what it is among others", name, d)
		}
		if d := distance(read(texts[6:7], rlhf.Probe{}).At(1)[0], all.At(1)[5]); d < 1e-2 {
			t.Errorf("%s: another text is %v away: the bound sees nothing", name, d)
		}
		if d := distance(read(texts[5:6], rlhf.Probe{Pool: rlhf.MeanToken}).At(1)[0], all.At(1)[5]); d < 1e-2 {
			t.Errorf("%s: the mean is %v from the last token", name, d)
		}
		// The oldest turns are what a long dialogue loses.
		short := texts[4]
		long := strings.Repeat(texts[5]+" It is this.", 20) + short
		if a := read([]string{long}, rlhf.Probe{}); len(a.Texts) != 1 {
			t.Errorf("%s: a long dialogue: %d texts", name, len(a.Texts))
		}
		for want, call := range map[string]func() error{
			"no texts":          func() error { _, err := probe(nil, rlhf.Probe{}); return err },
			`Pool = "first"`:    func() error { _, err := probe(texts, rlhf.Probe{Pool: "first"}); return err },
			"layer 2, want 0":   func() error { _, err := probe(texts, rlhf.Probe{Layers: []int{2}}); return err },
			"text 1: ":          func() error { _, err := probe([]string{"a", strings.Repeat(" longer", 99)}, rlhf.Probe{}); return err },
			"name fewer in Lay": func() error { _, err := probe(texts, rlhf.Probe{Layers: make([]int, 1<<20)}); return err },
		} {
			if err := call(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", name, err, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := lmOf(t)(l.With(ctx).OpenLM("lm"))
	if _, err := r.Activations(texts, rlhf.Probe{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// distance is the largest difference of two vectors' entries.
func distance(a, b []float64) (d float64) {
	for i := range a {
		d = max(d, a[i]-b[i], b[i]-a[i])
	}
	return d
}
