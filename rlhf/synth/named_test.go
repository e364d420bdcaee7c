package synth_test

import (
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/synth"
)

func TestNamed(t *testing.T) {
	for name, want := range map[string]*synth.World{
		"synth": synth.New(0), "synth:7": synth.New(7), "synth-small": synth.Small(0), "synth-small-pages:3": synth.Small(3), "synth-forum": synth.New(0),
	} {
		w, err := synth.Named(name)
		if err != nil || w.Seed() != want.Seed() || !slices.Equal(w.Vocabulary(), want.Vocabulary()) {
			t.Errorf("%q: %v, not the world it names", name, err)
		}
	}
	for name, want := range map[string]string{"hh-rlhf": `"hh-rlhf" names no`, "synth:x": "whole number", "": `"" names no`} {
		if _, err := synth.Named(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", name, err, want)
		}
	}
}
