package engine

import (
	"reflect"
	"testing"

	"hhrlhf/kernel/engine/wire"
)

// The engine serves what wire.Routes lists, with those bodies and replies, and nothing
// else: so the fingerprint covers every noun that crosses the socket.
func TestRoutesAreInTheFingerprint(t *testing.T) {
	served := (&server{}).mux().routes
	listed := map[string]bool{}
	word := func(t reflect.Type) string {
		if t == nil {
			return "nothing"
		}
		return t.String()
	}
	for _, r := range wire.Routes() {
		if listed[r.Pattern] {
			t.Errorf("%s is listed twice", r.Pattern)
		}
		listed[r.Pattern] = true
		h, ok := served[r.Pattern]
		if !ok {
			t.Errorf("wire.Routes lists %s, which the engine does not serve", r.Pattern)
			continue
		}
		if h.body != reflect.TypeOf(r.Body) || h.reply != reflect.TypeOf(r.Reply) {
			t.Errorf("%s takes %s and gives %s; wire.Routes says %s and %s", r.Pattern,
				word(h.body), word(h.reply), word(reflect.TypeOf(r.Body)), word(reflect.TypeOf(r.Reply)))
		}
	}
	for pattern, h := range served {
		if !listed[pattern] {
			t.Errorf("add to wire.Routes: {%q, %s, %s}", pattern, word(h.body), word(h.reply))
		}
	}
	for _, noun := range []string{"rlhf.Choice", "wire.BestOf.K", "wire.Name.Name", "rlhf.PPO.KLCoef", "rlhf.RunState.State", "wire.Error.Kind"} {
		if wire.Shape()[noun] == "" {
			t.Errorf("the fingerprint does not have %s", noun)
		}
	}
}
