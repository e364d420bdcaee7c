package rlhf_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

func ExampleParseTranscript() {
	t, err := rlhf.ParseTranscript("\n\nHuman: hi\n\nAssistant: hello\n\nHuman: 2+2?\n\nAssistant: 4")
	fmt.Printf("%q %v\n", t.Response, err)
	for _, turn := range t.Turns() {
		fmt.Println(turn.Assistant, turn.Text)
	}
	// Output:
	// " 4" <nil>
	// false hi
	// true hello
	// false 2+2?
	// true 4
}

func TestParseTranscriptErrors(t *testing.T) {
	for text, want := range map[string]string{
		"\n\nHuman: a": "no \"\\n\\nAssistant:\" turn",
		"hello":        "starts with \"hello\"",
		"\n\nHuman: a\n\nAssistant: b\n\nHuman: c": "ends with a Human turn",
		"\n\nHuman: a\n\nAssistant:  ":             "is empty",
		"\n\nHuman: \xff\n\nAssistant: b":          "not valid UTF-8 (byte 9)",
	} {
		if _, err := rlhf.ParseTranscript(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzParseTranscript(f *testing.F) {
	f.Add("\n\nHuman: a\n\nAssistant: b")
	f.Fuzz(func(t *testing.T, s string) {
		tr, err := rlhf.ParseTranscript(s)
		if err != nil {
			return
		}
		if tr.String() != s {
			t.Errorf("%q came back as %q", s, tr.String())
		}
		turns := tr.Turns()
		if len(turns) < 2 || !turns[len(turns)-1].Assistant {
			t.Errorf("%q has turns %+v", s, turns)
		}
	})
}

// A filled configuration of any size and kind of data is valid, and filling it
// again changes nothing.
func TestFilledIsValid(t *testing.T) {
	for _, size := range append(rlhf.Sizes(), "") {
		for _, data := range []string{rlhf.Synth, rlhf.SynthSmall, "hh-rlhf", ""} {
			l := rlhf.LM{Size: size, Data: data}.Filled()
			p := rlhf.PM{Size: size, Data: data, LM: "lm"}.Filled()
			o := rlhf.PPO{Size: size, Data: data, Policy: "lm", PM: "pm"}.Filled()
			for _, err := range []error{l.Validate(), p.Validate(), o.Validate()} {
				if err != nil {
					t.Errorf("size %q, data %q: %v", size, data, err)
				}
			}
			if !reflect.DeepEqual(l, l.Filled()) || !reflect.DeepEqual(p, p.Filled()) || o != o.Filled() {
				t.Errorf("size %q, data %q: filling twice changes something", size, data)
			}
		}
	}
	if c := (rlhf.PPO{KLCoef: 0}).Filled(); c.KLCoef != 0 {
		t.Errorf("KLCoef 0 means no penalty, not %v", c.KLCoef)
	}
}

// Every fault is reported, not only the first.
func TestValidateReportsAll(t *testing.T) {
	c := rlhf.LM{}.Filled()
	c.Layers, c.Heads, c.LearningRate, c.Vocab = 0, 3, -1, 100
	err := c.Validate()
	for _, want := range []string{"Layers = 0", "Heads = 3, want a divisor of Width (128)", "LearningRate = -1", "Vocab = 100"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestGlossary(t *testing.T) {
	seen := map[string]bool{}
	for _, term := range rlhf.Glossary() {
		if seen[term.Name] || term.Name == "" || term.Formula == "" {
			t.Errorf("term %+v is a duplicate or incomplete", term)
		}
		seen[term.Name] = true
		if got, ok := rlhf.Define(term.Name); !ok || !reflect.DeepEqual(got, term) {
			t.Errorf("Define(%q) = %+v, %v", term.Name, got, ok)
		}
	}
	if _, ok := rlhf.Define("nothing"); ok {
		t.Error("an unknown metric is defined")
	}
}

func TestAliases(t *testing.T) {
	seen := map[rlhf.Alias]bool{}
	for _, a := range rlhf.Aliases("") {
		if _, ok := rlhf.Define(a.Name); !ok {
			t.Errorf("%+v is an alias of a metric that the glossary does not have", a)
		}
		if bare := (rlhf.Alias{Name: a.Name, System: a.System, Theirs: a.Theirs}); seen[bare] || a.System == "" || a.Theirs == "" {
			t.Errorf("%+v is a duplicate or incomplete", a)
		} else {
			seen[bare] = true
		}
		for _, name := range []string{a.Name, a.Theirs} {
			if !slices.Contains(rlhf.Aliases(name), a) {
				t.Errorf("Aliases(%q) does not have %+v", name, a)
			}
		}
	}
	if found := rlhf.Aliases("actor/ppo_kl"); len(found) != 1 || found[0].Name != "policy/approx_kl" || found[0].System != "verl" {
		t.Errorf("actor/ppo_kl is %+v", found)
	}
	if found := rlhf.Aliases("nothing"); len(found) != 0 {
		t.Errorf("an unknown name is %+v", found)
	}
}
