package local

import (
	"fmt"
	"maps"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/direct"
	"hhrlhf/rlhf/ppo"
)

// Own is what a program adds to the library's algorithms, by the names that
// configurations call them. A run says in its configuration which of them it was made
// with, and only a lab that knows that name opens it.
type Own struct {
	Algorithms map[string]ppo.Algorithm // for rlhf.PPO.Algorithm
	Losses     map[string]direct.Loss   // for rlhf.Direct.Loss
}

// algorithm is what a configuration names, the zero value if it names none.
func (o Own) algorithm(c rlhf.PPO) (ppo.Algorithm, error) {
	if c.Algorithm == "" {
		return ppo.Algorithm{}, nil
	}
	return known("ppo: Algorithm", c.Algorithm, o.Algorithms)
}

// loss is what a configuration names.
func (o Own) loss(c rlhf.Direct) (direct.Loss, error) {
	return known("direct: Loss", c.Loss, o.Losses)
}

// known looks a name up. The error says what there is instead, and how it comes to be
// there.
func known[T any](field, name string, registered map[string]T) (T, error) {
	v, ok := registered[name]
	switch {
	case ok:
		return v, nil
	case len(registered) == 0:
		return v, fmt.Errorf("%s = %q: this engine knows none of its own; it takes the engine that registers %[2]q (own.Serve, see notebook 13)", field, name)
	}
	return v, fmt.Errorf("%s = %q: this engine knows %q; name one of them, or register %[2]q in the engine (own.Serve)", field, name, slices.Sorted(maps.Keys(registered)))
}
