package latency

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFollow reads what the script writes, and what strays into it.
func TestFollow(t *testing.T) {
	var told []string
	rows := follow(strings.NewReader(`{"kernel":"ours","cell":"hello","done":1,"of":3}
a stray print
{"kernel":"ours","cell":"hello","seconds":[0.3,0.1,0.2,0.4]}
{"kernel":"ours","cell":"step","error":"no answer"}
`), true, func(what string, done, of int) { told = append(told, what) })
	want := []Row{
		{Kernel: "ours", Cell: "hello", Load: true, Median: 0.25, Min: 0.1, Max: 0.4, Seconds: []float64{0.3, 0.1, 0.2, 0.4}},
		{Kernel: "ours", Cell: "step", Load: true, Error: "no answer"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(told) != 1 || told[0] != "ours, hello, while the engine trains" {
		t.Errorf("progress %q", told)
	}
	r := Result{Rows: rows}
	if r.Find("ours", "hello", true) == nil || r.Find("ours", "hello", false) != nil {
		t.Error("Find mixes up the load")
	}
}

// Every kernel has the same cells, and every answer's text is new.
func TestPlans(t *testing.T) {
	for _, trains := range []bool{false, true} {
		want := Cells
		if !trains {
			want = Cells[:3]
		}
		for _, k := range []kernel{goKernel(Ours, "ours", "r", trains), goKernel(Stock, "stock", "r", trains), pythonKernel("r", trains)} {
			var names []string
			for _, c := range k.Cells {
				names = append(names, c.Name)
				if !strings.Contains(c.Code, "{i}") {
					t.Errorf("%s, %s: the second answer would come from a cache", k.Name, c.Name)
				}
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", k.Name, diff)
			}
		}
	}
}
