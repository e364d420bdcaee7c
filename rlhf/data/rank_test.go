package data_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// Golden values by hand: log₂ 3 = 1.585, log₂ 5 = 2.322, log₂ 6 = 2.585,
// log₂ 11 = 3.459, log₂ 12 = 3.585, log₂ 45 = 5.492, log₂ 46 = 5.524.
func TestRank(t *testing.T) {
	for _, c := range []struct {
		votes          int
		open, accepted int
	}{
		{-40, -1, -1}, {-1, -1, -1}, // negative: accepted or not
		{0, 0, 1}, {1, 1, 2}, {2, 2, 3}, {3, 2, 3}, {4, 2, 3}, {5, 3, 4}, {10, 3, 4}, {11, 4, 5},
		{44, 5, 6}, {45, 6, 7}, {1023, 10, 11}, {math.MaxInt, 63, 64},
	} {
		if got := data.Rank(c.votes, false); got != c.open {
			t.Errorf("Rank(%d, false) = %d, want %d", c.votes, got, c.open)
		}
		if got := data.Rank(c.votes, true); got != c.accepted {
			t.Errorf("Rank(%d, true) = %d, want %d", c.votes, got, c.accepted)
		}
	}
}

// ask makes a thread whose answers are their votes in words.
func ask(votes ...int) data.Thread {
	t := data.Thread{Question: "why? ", Source: "forum:17"}
	for i, v := range votes {
		t.Answers = append(t.Answers, data.Answer{Text: fmt.Sprintf("%d: %d votes\n", i+1, v), Votes: v})
	}
	return t
}

func sources(cs []rlhf.Comparison) []string {
	var out []string
	for _, c := range cs {
		out = append(out, strings.TrimPrefix(c.Source, "forum:17:"))
	}
	return out
}

func TestRanked(t *testing.T) {
	prompt := "\n\nHuman: why?\n\nAssistant:"
	want := []rlhf.Comparison{{
		Chosen: transcript(prompt, " 2: 7 votes"), Rejected: transcript(prompt, " 1: 0 votes"), Source: "forum:17:2/1",
	}}
	if diff := cmp.Diff(want, data.Ranked(ask(0, 7), 0)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		votes []int
		most  int
		want  []string
	}{
		{nil, 0, nil},
		{[]int{5}, 0, nil},
		{[]int{3, 4}, 0, nil}, // both rank 2
		{[]int{-3, -1}, 0, nil},
		{[]int{-1, 0}, 0, []string{"2/1"}},
		{[]int{0, 1, 3}, 0, []string{"3/1"}},
		{[]int{0, 1, 3, 7}, 0, []string{"4/2", "3/1"}},
		{[]int{0, 1, 3, 7}, 1, []string{"4/2"}},
		{[]int{7, 0, 0, 0, 1}, 0, []string{"1/3", "5/4"}},
		{[]int{0, 0, 0, 1, 1, 1, 3, 3, 7, 7}, -1, []string{"9/5", "10/6", "7/1", "8/2"}}, // four of five
		{[]int{0, 0, 0, 1, 1, 1, 3, 3, 7, 7}, 9, []string{"9/5", "10/6", "7/1", "8/2", "4/3"}},
	} {
		if got := sources(data.Ranked(ask(c.votes...), c.most)); !slices.Equal(got, c.want) {
			t.Errorf("%v, at most %d: pairs %v, want %v", c.votes, c.most, got, c.want)
		}
	}
	accepted := ask(7, 4)
	accepted.Answers[1].Accepted = true // 2 + 1 = 3 = the rank of 7 votes
	if got := data.Ranked(accepted, 0); got != nil {
		t.Errorf("equal ranks make %v", sources(got))
	}
	twins := ask(7, 0)
	twins.Answers[0].Text, twins.Answers[1].Text = "same", "same "
	if got := data.Ranked(twins, 0); got != nil {
		t.Errorf("one text makes the pair %v", got)
	}
}

// The pairs are as many as pairs of different rank without a common answer can
// be: half of the answers, or all that are not of the commonest rank.
func TestRankedMakesMost(t *testing.T) {
	for code := range 3 * 3 * 3 * 3 * 3 * 3 * 3 {
		for n := 2; n <= 7; n++ {
			var votes []int
			counts := map[int]int{}
			for rest := code; len(votes) < n; rest /= 3 {
				v := []int{0, 1, 3}[rest%3]
				votes = append(votes, v)
				counts[v]++
			}
			want := n / 2
			for _, c := range counts {
				want = min(want, n-c)
			}
			cs := data.Ranked(ask(votes...), 100)
			used := map[rlhf.Transcript]bool{}
			for _, c := range cs {
				if used[c.Chosen] || used[c.Rejected] {
					t.Fatalf("%v: an answer stands in two of %v", votes, sources(cs))
				}
				used[c.Chosen], used[c.Rejected] = true, true
			}
			if len(cs) != want {
				t.Fatalf("%v: %d pairs %v, want %d", votes, len(cs), sources(cs), want)
			}
		}
	}
}

func TestThreadCheck(t *testing.T) {
	if err := ask(1, 2).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		question, answer, want string
	}{
		{" \n", "so", "data: forum:17: question: no text; write one, or delete the row"},
		{"why?", "", "data: forum:17: answer 1: no text; write one, or delete the row"},
		{"he said\n\nAssistant: no", "so", `data: forum:17: question: byte 8 begins "\n\nAssistant: no", which would be read as a turn; put another word before the colon, or delete the row`},
		{"why?", "so\n\nHuman: and?", `data: forum:17: answer 1: byte 3 begins "\n\nHuman: and?", which would be read as a turn; put another word before the colon, or delete the row`},
	} {
		thread := data.Thread{Question: c.question, Answers: []data.Answer{{Text: c.answer, Votes: 9}, {Text: "other"}}, Source: "forum:17"}
		if err := thread.Check(); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
		if cs := data.Ranked(thread, 0); cs != nil {
			t.Errorf("%q and %q make %v", c.question, c.answer, cs)
		}
	}
}

// mislabelled says what is wrong with the binarised form of ranked comparisons.
func mislabelled(ranked, binary []rlhf.Comparison) string {
	if len(binary) != 2*len(ranked) {
		return fmt.Sprintf("%d comparisons of %d", len(binary), len(ranked))
	}
	for i, r := range ranked {
		for j, t := range []rlhf.Transcript{r.Chosen, r.Rejected} {
			right, wrong := " GOOD:"+t.Response, " BAD:"+t.Response
			if j == 1 {
				right, wrong = wrong, right
			}
			want := rlhf.Comparison{Chosen: transcript(t.Prompt, right), Rejected: transcript(t.Prompt, wrong), Tranche: r.Tranche, Source: r.Source}
			if got := binary[2*i+j]; got != want {
				return cmp.Diff(want, got)
			}
		}
	}
	return ""
}

func TestBinarise(t *testing.T) {
	ranked := data.Ranked(ask(0, 1, 3, 7), 0)
	ranked[1].Tranche = "forum"
	before := slices.Clone(ranked)
	binary := data.Binarise(ranked)
	if wrong := mislabelled(ranked, binary); wrong != "" {
		t.Error(wrong)
	}
	if diff := cmp.Diff(before, ranked); diff != "" {
		t.Error("changes its argument: ", diff)
	}
	// Known mistake: GOOD is preferred in both copies, also of the worse answer.
	mistaken := slices.Clone(binary)
	mistaken[1].Chosen, mistaken[1].Rejected = mistaken[1].Rejected, mistaken[1].Chosen
	if mislabelled(ranked, mistaken) == "" {
		t.Error("the worse answer called good is not noticed")
	}
	for _, c := range binary {
		for _, tr := range []rlhf.Transcript{c.Chosen, c.Rejected} {
			if back, err := rlhf.ParseTranscript(tr.String()); err != nil || back != tr {
				t.Errorf("%+v parses as %+v, %v", tr, back, err)
			}
		}
	}
	bare := data.Binarise([]rlhf.Comparison{{Chosen: transcript("p", "yes"), Rejected: transcript("p", " no")}})
	if got := bare[0].Chosen.Response; got != " GOOD: yes" {
		t.Errorf("a response without its space becomes %q", got)
	}
	if got := data.Binarise(nil); len(got) != 0 {
		t.Errorf("nothing becomes %v", got)
	}
}

func ExampleRanked() {
	thread := data.Thread{
		Question: "Is beer older than bread?",
		Answers: []data.Answer{
			{Text: "Nobody knows.", Votes: 2},
			{Text: "Perhaps: both need the same grain.", Votes: 5, Accepted: true},
		},
		Source: "forum:0",
	}
	for _, c := range data.Binarise(data.Ranked(thread, 0)) {
		fmt.Printf("%q > %q\n", c.Chosen.Response, c.Rejected.Response)
	}
	// Output:
	// " GOOD: Perhaps: both need the same grain." > " BAD: Perhaps: both need the same grain."
	// " BAD: Nobody knows." > " GOOD: Nobody knows."
}
