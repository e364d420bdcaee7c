package data

import (
	"maps"
	"slices"
)

// A Verdict is one comparison of two players: policies, writers, or whoever answers.
type Verdict struct {
	A, B string
	// Better is "a" or "b", or "unsure" for neither.
	Better string
}

// LoadVerdicts reads who was preferred to whom from a file of JSON lines, plain or gzipped.
// A row has one of
//
//	{"a": "base", "b": "policy", "better": "b"}          "a", "b", "unsure" or "tie"
//	{"winner": "policy", "loser": "base"}
//	{"chosen_from": "policy", "rejected_from": "base"}   the online loop's comparisons
//
// and other fields as it likes. A row at fault ends it, as a [*RowError].
func LoadVerdicts(path string) ([]Verdict, error) {
	return strictLines(path, parseVerdict)
}

func parseVerdict(line []byte) (v Verdict, err error) {
	fields, err := parseObject(line)
	if err != nil {
		return v, err
	}
	a, b := "a", "b"
	for _, pair := range [][2]string{{"winner", "loser"}, {"chosen_from", "rejected_from"}} {
		if _, ok := fields[pair[0]]; ok {
			a, b, v.Better = pair[0], pair[1], "a"
		}
	}
	read := func(name string, to *string) error {
		if _, ok := fields[name]; !ok {
			return fault(name, BrokenField, `write {"a": …, "b": …, "better": "a"} or {"winner": …, "loser": …}, with the players' names`,
				"missing; the row has %q", slices.Sorted(maps.Keys(fields)))
		}
		if *to, err = stringField(fields, name); err == nil && *to == "" {
			err = fault(name, OddEmpty, "fill it in, or delete the row", "is empty")
		}
		return err
	}
	if err := read(a, &v.A); err != nil {
		return v, err
	}
	if err := read(b, &v.B); err != nil {
		return v, err
	}
	if v.A == v.B {
		return v, fault(b, OddIdentical, "delete the row: nobody is rated by a comparison with themselves", "both players are %s", excerpt(v.A))
	}
	if v.Better != "" {
		return v, nil
	}
	if err := read("better", &v.Better); err != nil {
		return v, err
	}
	switch v.Better {
	case "a", "b", "unsure":
	case "tie":
		v.Better = "unsure"
	default:
		return v, fault("better", BrokenField, `write "a", "b" or "unsure"`, "is %s", excerpt(v.Better))
	}
	return v, nil
}
