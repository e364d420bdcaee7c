package engine_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// A call for activations holds its reply in memory: one for too many texts is refused, one
// for as many as are allowed is answered.
func TestProbingIsBounded(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	serve(t, engine.Options{Socket: socket})
	c := newClient(t, socket)
	c.ok("POST", "/v1/lm/words", `{}`, nil)
	body := func(n int) string {
		text, err := json.Marshal(wire.Probe{Texts: slices.Repeat([]string{"a"}, n), Probe: rlhf.Probe{Layers: []int{1}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	e := c.fails(413, "POST", "/v1/lm/words/activations", body(rlhf.ProbedAtOnce+1))
	if e.Kind != wire.KindTooLarge || !strings.Contains(e.Message, "129 texts, want at most 128 a call") {
		t.Errorf("%+v", e)
	}
	var a rlhf.Activations
	c.ok("POST", "/v1/lm/words/activations", body(rlhf.ProbedAtOnce), &a)
	if len(a.Texts) != rlhf.ProbedAtOnce {
		t.Errorf("%d texts", len(a.Texts))
	}
}
