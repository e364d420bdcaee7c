package main

import (
	"bytes"
	"strings"
	"testing"

	"hhrlhf/kernel/latency"
)

func TestPrintLatency(t *testing.T) {
	r := &latency.Result{Cores: 2, Go: "go1.26", Rows: []latency.Row{
		{Kernel: latency.Ours, Cell: latency.Hello, Median: 0.3, Min: 0.25, Max: 1.5, Seconds: []float64{0.3, 0.25, 1.5}},
		{Kernel: latency.Python, Cell: latency.Hello, Error: "no answer"},
		{Kernel: latency.Ours, Cell: "start", Load: true, Median: 2, Min: 2, Max: 2, Seconds: []float64{2}},
	}}
	var b bytes.Buffer
	if err := printLatency(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| hello | idle | 300 (250 to 1500) | — | failed |", "| start | trains | 2000 | — | — |", "ipykernel, hello: no answer", "2 cores"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "| step") {
		t.Errorf("a row of what was not measured:\n%s", b.String())
	}
}
