package proxy_test

import (
	"fmt"
	"testing"

	"hhrlhf/kernel/proxy"
)

func TestIsComplete(t *testing.T) {
	for _, c := range []struct{ code, status, indent string }{
		{"", "complete", ""},
		{"%%\nfmt.Println(1)", "complete", ""},
		{"import \"fmt\"", "complete", ""},
		{"func f() {\n}", "complete", ""},
		{"func f() {", "incomplete", "\t"},
		{"%%time\nfor {", "incomplete", "\t"},
		{"%%bash\nfor {", "complete", ""},
		{"%%\nfor {\n\tif x {", "incomplete", "\t\t"},
		{"f(1,\n2", "incomplete", "\t"},
		{"x := []int{1", "incomplete", "\t"},
		{"s := `raw\nstring", "incomplete", ""},
		{"s := `raw {\nstring`", "complete", ""},
		{"/* a comment", "incomplete", ""},
		{"x := 1 // {", "complete", ""},
		{"s := \"{\"", "complete", ""},
		{"s := \"open", "invalid", ""},
		{"r := '{'", "complete", ""},
		{"x := 1 +", "incomplete", "\t"},
		{"x.", "incomplete", "\t"},
		{"}", "invalid", ""},
		{"f(1]", "invalid", ""},
		{"(}", "invalid", ""},
		{"!echo {", "complete", ""},
		{"%env A (", "complete", ""},
		{"!ls\nfunc f() {", "incomplete", "\t"},
		{"%%bash\nif true; then (", "complete", ""},
		{"%%script python\nx = [", "complete", ""},
		{"%% -steps 3\nx := (", "incomplete", "\t"},
	} {
		status, indent := proxy.IsComplete(c.code)
		if status != c.status || indent != c.indent {
			t.Errorf("%q: %s, indent %q; want %s, %q", c.code, status, indent, c.status, c.indent)
		}
	}
}

func ExampleIsComplete() {
	status, indent := proxy.IsComplete("%%\nfor i := range 3 {")
	fmt.Printf("%s %q\n", status, indent)
	// Output: incomplete "\t"
}
