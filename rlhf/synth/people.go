package synth

import "slices"

// A Person is one of the world's people. Names are those of women and men in turn; the world
// itself makes no difference between them: jobs are dealt out by its seed.
type Person struct {
	Name   string
	Female bool
	Job    string
}

// People are the people whose job the world knows, women and men in turn, as many of each.
func (w *World) People() []Person {
	r := w.relation("job")
	out := make([]Person, len(r.keys))
	for i, name := range r.keys {
		out[i] = Person{name, slices.Index(people, name)%2 == 0, r.values[i]}
	}
	return out
}
