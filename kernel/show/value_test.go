package show_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
)

// valued is what Value shows of v.
func valued(t *testing.T, v any) (out []show.Shown) {
	t.Helper()
	t.Run("", func(t *testing.T) {
		show.Catch(t, func(s show.Shown) { out = append(out, s) })
		show.Value(v)
	})
	return out
}

type kind int

func (k kind) String() string { return fmt.Sprintf("kind %d", int(k)) }

type pair struct {
	Name  string
	Score float64
	inner int
}

func TestValueText(t *testing.T) {
	var none *kind
	long := make([]float64, 100)
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "nil"},
		{42, "42"},
		{1.0 / 3, "0.333"},
		{float32(2), "2"},
		{"a\n日", `"a\n日"`},
		{true, "true"},
		{errors.New("broken"), "✗ broken"},
		{kind(3), "kind 3"},
		{none, "<nil>"},
		{1500 * time.Millisecond, "1.5s"},
		{[]int{1, 2}, "[1 2]"},
		{[]string{"a", "b"}, `["a" "b"]`},
		{[]kind{1}, "[kind 1]"},
		{[]byte("go"), "[103 111]"},
		{long, "[]float64 of 100: [0 0 0 0 0 0 0 0 … 0 0 0 0 0 0 0 0]"},
		{[]int{}, "[]"},
		{map[string]int{}, "map[]"},
		{fmt.Sprint, "func(...interface {}) string"},
		{struct{}{}, "{}"},
		{[2]bool{true, false}, "[true false]"},
		{(*rlhf.Batch)(nil), "<nil>"},
		{memory.Plan{{What: "weights", Bytes: 3e9}}, "weights"},
	} {
		out := valued(t, c.v)
		if len(out) != 1 || out[0].HTML != "" || !strings.HasPrefix(out[0].Text, c.want) {
			t.Errorf("%T: %+v, want %q", c.v, out, c.want)
		}
	}
}

func TestValueTables(t *testing.T) {
	many := make([]pair, 30)
	for _, c := range []struct {
		v    any
		want []string
	}{
		{pair{"<script>", 0.5, 1}, []string{"show_test.pair", "Name", "&lt;script&gt;", "0.5"}},
		{&pair{Name: "x"}, []string{"Name", "x"}},
		{[]pair{{"a", 1, 0}, {"b", 2, 0}}, []string{"Name", "Score", ">a<", ">b<"}},
		{[]*pair{{"a", 1, 0}}, []string{"Name", ">a<"}},
		{many, []string{"the first 20 of 30"}},
		{map[string]float64{"b": 2, "a": 1}, []string{"key", "value", `>a<`}},
		{map[int]string{10: "ten", 9: "nine"}, []string{">9<", ">nine<"}},
		{[][]float32{{1, 2, 3}, {4, 5, 6}}, []string{"[][]float32 [2, 3]", "[4 5 6]"}},
		{[][]int{{1}, {1, 2}}, []string{"[2, ragged]"}},
		{[][][]int{{{1, 2}}}, []string{"[1, 1, 2]"}},
		{rlhf.LMEval{Tokens: 10, Loss: 1.5}, []string{"rlhf.LMEval", "Loss", "1.5"}},
		{rlhf.Status{Backend: "xla"}, []string{"backend", "xla"}},
		{rlhf.RunInfo{Name: "r1"}, []string{"r1"}},
		{[]rlhf.RunInfo{{Name: "r1"}}, []string{"r1"}},
		{[]rlhf.Transcript{{Prompt: "\n\nHuman: hi\n\nAssistant:", Response: " there"}}, []string{"hi", "there"}},
		{[]rlhf.Finding{{}}, nil},
	} {
		out := valued(t, c.v)
		if len(out) == 0 || out[0].HTML == "" || out[0].Text == "" {
			t.Errorf("%T: %+v, want a table and its text", c.v, out)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(out[0].HTML, want) {
				t.Errorf("%T: no %q in %s", c.v, want, out[0].HTML)
			}
		}
		if strings.Contains(out[0].HTML, "inner") || strings.Contains(out[0].HTML, "<script") {
			t.Errorf("%T: %s", c.v, out[0].HTML)
		}
	}
	if out := valued(t, map[int]string{10: "ten", 9: "nine"}); strings.Index(out[0].Text, "nine") > strings.Index(out[0].Text, "ten") {
		t.Errorf("keys out of order:\n%s", out[0].Text)
	}
}

// Values with a picture of their own are shown as their own functions show them.
func TestValuePictures(t *testing.T) {
	points := []rlhf.Point{{Step: 1, Values: map[string]float64{"loss/lm": 2}}, {Step: 2, Values: map[string]float64{"loss/lm": 1}}}
	if out := valued(t, points); len(out) != 1 || len(out[0].PNG) == 0 {
		t.Errorf("a history is no picture: %d outputs", len(out))
	}
}
