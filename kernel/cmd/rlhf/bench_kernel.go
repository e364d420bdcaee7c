package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"hhrlhf/kernel/latency"
)

// benchKernel measures how long cells take to answer.
func benchKernel(ctx context.Context, f benchFlags, out, lines io.Writer) error {
	d, err := homeDirs()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	p := newProgress(lines, "bench")
	r, err := latency.Measure(ctx, latency.Options{Dirs: d, Rlhf: self, N: f.n, Report: func(what string, done, of int) {
		if of == 0 {
			p.say("%s", what)
			return
		}
		p.at(done, of, what)
	}})
	switch {
	case err != nil:
		return err
	case f.asJSON:
		return printJSON(out, r)
	}
	return printLatency(out, r)
}

// printLatency prints the table for the eye, in Markdown.
func printLatency(w io.Writer, r *latency.Result) error {
	kernels := []string{latency.Ours, latency.Stock, latency.Python}
	fmt.Fprintf(w, "| cell | engine | %s |\n|---|---|%s\n", strings.Join(kernels, " | "), strings.Repeat("---|", len(kernels)))
	for _, load := range []bool{false, true} {
		for _, cell := range append([]string{"start"}, latency.Cells...) {
			engine := "idle"
			if load {
				engine = "trains"
			}
			row := fmt.Sprintf("| %s | %s |", cell, engine)
			any := false
			for _, k := range kernels {
				entry := "—"
				if m := r.Find(k, cell, load); m != nil {
					any = true
					if entry = "failed"; m.Error == "" {
						entry = milliseconds(m.Median)
						if len(m.Seconds) > 1 {
							entry += fmt.Sprintf(" (%s to %s)", milliseconds(m.Min), milliseconds(m.Max))
						}
					}
				}
				row += " " + entry + " |"
			}
			if any {
				fmt.Fprintln(w, row)
			}
		}
	}
	for _, row := range r.Rows {
		if row.Error != "" {
			fmt.Fprintf(w, "\n%s, %s: %s\n", row.Kernel, row.Cell, row.Error)
		}
	}
	_, err := fmt.Fprintf(w, "\nMilliseconds from the request to idle: median (lowest to highest). %d cores, %s.\n", r.Cores, r.Go)
	return err
}

func milliseconds(s float64) string { return fmt.Sprintf("%.0f", 1000*s) }
