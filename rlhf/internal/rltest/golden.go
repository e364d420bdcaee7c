package rltest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A Case is one set of golden numbers, made elsewhere in float64.
type Case struct {
	Name string  `json:"name"`
	Doc  string  `json:"doc"` // the formula
	Tol  float64 `json:"tol"` // for float64, as in [Diff]
	In   Values  `json:"in"`
	Out  Values  `json:"out"`
}

// Values are the named inputs or outputs of a case.
type Values map[string]json.RawMessage

// Golden returns the case of that name. It skips the test where no golden folder
// is at hand, and fails it where HHRLHF_GOLDEN names one that cannot be read.
func Golden(t testing.TB, name string) Case {
	t.Helper()
	dir, named := os.LookupEnv("HHRLHF_GOLDEN")
	if !named {
		data := os.Getenv("HHRLHF_DATA")
		if data == "" {
			t.Skip("golden numbers: neither HHRLHF_GOLDEN nor HHRLHF_DATA is set")
		}
		dir = filepath.Join(data, "..", "golden")
	}
	text, err := os.ReadFile(filepath.Join(dir, "correctness.json"))
	switch {
	case os.IsNotExist(err) && !named:
		t.Skipf("golden numbers: %v; set HHRLHF_GOLDEN to their folder", err)
	case err != nil:
		t.Fatalf("golden numbers: %v", err)
	}
	var file struct {
		Cases []Case `json:"cases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("golden numbers: %s: %v", dir, err)
	}
	for _, c := range file.Cases {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("golden numbers: %s has no case %q", dir, name)
	return Case{}
}

// Get decodes one of the values; a missing or unfit one fails the test.
func Get[T any](t testing.TB, v Values, key string) T {
	t.Helper()
	var x T
	raw, ok := v[key]
	if !ok {
		t.Fatalf("golden numbers: no value %q", key)
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		t.Fatalf("golden numbers: %q: %v", key, err)
	}
	return x
}

// Perturb returns a copy of v with delta added to entry i, counted in row-major
// order, of the value key.
func (v Values) Perturb(t testing.TB, key string, i int, delta float64) Values {
	t.Helper()
	x := Get[any](t, v, key)
	if rest := nudge(&x, i, delta); rest >= 0 {
		t.Fatalf("golden numbers: %q has no entry %d", key, i)
	}
	raw, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	w := Values{}
	for k, r := range v {
		w[k] = r
	}
	w[key] = raw
	return w
}

// nudge adds delta to entry i of x and returns −1, or what is left of i.
func nudge(x *any, i int, delta float64) int {
	switch v := (*x).(type) {
	case float64:
		if i == 0 {
			*x = v + delta
		}
		return i - 1
	case []any:
		for j := range v {
			if i = nudge(&v[j], i, delta); i < 0 {
				return i
			}
		}
	}
	return i
}
