package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"hhrlhf/rlhf/bench"
)

func TestBenchArguments(t *testing.T) {
	for line, want := range map[string]string{
		"":                                 `-what "", want "lm", "pm", "sample", "ppo" or "kernel"`,
		"-what dpo":                        `-what "dpo", want "lm", "pm", "sample", "ppo" or "kernel"`,
		"-what pm -model smollm2":          "-model is for -what sample and -what ppo",
		"-what lm -tier XL":                `tier "XL", want S or M`,
		"-what lm -model smollm2":          "-model is for -what sample and -what ppo",
		"-what ppo -value none":            `-value "none", want own or shared`,
		"-what ppo -prompts 6":             "-prompts 6 -new 0, want a multiple of 4",
		"-what lm -new 8":                  "-prompts and -new are for -what ppo",
		"-what lm -n 0":                    "-n 0 -most 0, want 1",
		"kernel -n 0":                      "-n 0, want 1 or more",
		"kernel -model smollm2":            "kernel takes -n and -json only",
		"-what lm -json -benchfmt":         "want one of them",
		"-what sample -model not/anywhere": `"not/anywhere" is no model`,
	} {
		var out, said, usage bytes.Buffer
		err := benchCommands(&out, &said).run(t.Context(), strings.Fields(line), &usage)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
	}
}

func TestBenchOutput(t *testing.T) {
	samples := []bench.Sample{{Wall: .5, CPU: .9}, {Wall: .25, CPU: .4}}
	r := &bench.Result{Tier: "S", Cores: 2, Params: 1_071_872, Backend: "xla:cpu", Phases: map[string]bench.Stats{"lm_step_s": bench.Summarize(samples)},
		TokensPerS: map[string]float64{"lm_step": 2048 / .375}, Compile: map[string]float64{"lm_step": 4.5}, CompileTotal: 4.5, PeakRSS: 600}
	var out bytes.Buffer
	if err := printBench(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"S: 1.1M parameters, 2 cores, xla:cpu", "lm_step            0.3750 s  min 0.2500  cpu 0.650 s  n 2, 2 clean", "5461 tokens/s", "compiling 4.5 s, peak memory 600 MiB"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := printBenchmarks(&out, r, map[string][]bench.Sample{"lm_step": samples}); err != nil {
		t.Fatal(err)
	}
	// The format that benchstat reads: name-cores, iterations, pairs of value and unit.
	line := regexp.MustCompile(`^BenchmarkLmStep/S-2\t1\t(\d+) ns/op(\t[0-9.]+ [a-zA-Z]\S*)+$`)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !line.MatchString(lines[3]) || !strings.Contains(lines[3], "500000000 ns/op\t0.9000 cpu-s/op\t4096.0 tokens/s") || !line.MatchString(lines[4]) {
		t.Errorf("%s", out.String())
	}
}
