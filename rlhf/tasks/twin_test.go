package tasks_test

import (
	"encoding/json"
	"os"
	"testing"

	"hhrlhf/rlhf/tasks"
)

// The measures and the normal form agree with testdata/twin.py, written apart in another
// language, on random choices with letters of more than one byte.
func TestAgainstTheTwin(t *testing.T) {
	text, err := os.ReadFile("testdata/twin.json")
	if err != nil {
		t.Fatal(err)
	}
	var twin struct {
		Items []struct {
			Choices                     []string
			LogP, Bare                  []float64
			Tokens                      []int
			Sum, Char, Byte, Token, PMI int
		}
		Answers []struct{ Text, Normal string }
	}
	if err := json.Unmarshal(text, &twin); err != nil {
		t.Fatal(err)
	}
	differ := map[tasks.Norm]int{} // from the sum's choice
	bytes := 0
	for i, it := range twin.Items {
		var cs []tasks.Candidate
		for j, c := range it.Choices {
			cs = append(cs, tasks.Candidate{Text: c, LogP: it.LogP[j], Bare: it.Bare[j], Tokens: it.Tokens[j]})
		}
		for n, want := range map[tasks.Norm]int{tasks.Sum: it.Sum, tasks.Char: it.Char, tasks.Byte: it.Byte, tasks.Token: it.Token, tasks.PMI: it.PMI} {
			if got := n.Pick(cs); got != want {
				t.Errorf("item %d by %s: %d, the twin %d", i, n, got, want)
			}
			if want != it.Sum {
				differ[n]++
			}
		}
		if it.Char != it.Byte {
			bytes++
		}
	}
	// A twin whose measures all pick the same choice would show nothing.
	if len(twin.Items) != 200 || differ[tasks.Char] < 30 || differ[tasks.Token] < 30 || differ[tasks.PMI] < 30 || bytes < 5 {
		t.Errorf("%d items, of which %v differ from the sum, %d between characters and bytes", len(twin.Items), differ, bytes)
	}
	changed := 0
	for _, a := range twin.Answers {
		if got := tasks.Normal(a.Text); got != a.Normal {
			t.Errorf("%q: %q, the twin %q", a.Text, got, a.Normal)
		}
		if a.Text != a.Normal {
			changed++
		}
	}
	if changed < 100 {
		t.Errorf("only %d of the answers change", changed)
	}
}
