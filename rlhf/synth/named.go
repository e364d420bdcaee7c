package synth

import (
	"fmt"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
)

// Named returns the world that a Data field names, such as "synth", "synth-small-pages"
// or "synth:7": see rlhf.Synth.
func Named(data string) (*World, error) {
	if !rlhf.Synthetic(data) {
		return nil, fmt.Errorf("synth: Data = %q names no synthetic world; want %q or %q, and a seed behind a colon or not", data, rlhf.Synth, rlhf.SynthSmall)
	}
	seed := uint64(0)
	if _, text, seeded := strings.Cut(data, ":"); seeded {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fmt.Errorf("synth: Data = %q: the part after the colon must be a seed, a whole number", data)
		}
	}
	if rlhf.World(data) == rlhf.SynthSmall {
		return Small(seed), nil
	}
	return New(seed), nil
}
