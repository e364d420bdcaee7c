package synth_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// byVotes says how often, of two answers to one question with different votes, the
// one with more is better.
func byVotes(w *synth.World, threads []synth.Thread, harmful bool, better func(a, b rlhf.Gold) (bool, bool)) (share float64, pairs int) {
	for _, th := range threads {
		prompt := ask(th.Question)
		if w.Harmful(prompt) != harmful {
			continue
		}
		judge := func(a synth.Answer) rlhf.Gold {
			return w.Judge(rlhf.Transcript{Prompt: prompt, Response: " " + a.Text})
		}
		for i, a := range th.Answers {
			for _, b := range th.Answers[:i] {
				if a.Votes < b.Votes {
					a, b = b, a
				}
				if first, decided := better(judge(a), judge(b)); decided && a.Votes != b.Votes {
					pairs++
					if first {
						share++
					}
				}
			}
		}
	}
	return share / float64(pairs), pairs
}

func TestForumVotesFollowHelpNotHarm(t *testing.T) {
	w := synth.New(1)
	threads := w.Forum(3000, stream(1))
	order := func(u func(rlhf.Gold) float64) func(a, b rlhf.Gold) (bool, bool) {
		return func(a, b rlhf.Gold) (bool, bool) { return u(a) > u(b), math.Abs(u(a)-u(b)) > 0.05 }
	}
	band := func(name string, lo, hi, got float64, n int) {
		t.Helper()
		if n < 500 || got < lo || got > hi {
			t.Errorf("%s: %.3f of %d pairs, want %.2f to %.2f", name, got, n, lo, hi)
		}
	}
	benign, n := byVotes(w, threads, false, order(synth.HelpfulUtility))
	band("benign questions: more votes, more helpful", 0.75, 0.92, benign, n)
	harmful, n := byVotes(w, threads, true, order(func(g rlhf.Gold) float64 { return g.Helpful }))
	band("harmful questions: more votes, more helpful", 0.7, 0.92, harmful, n)
	harmless, n := byVotes(w, threads, true, order(func(g rlhf.Gold) float64 { return g.Harmless }))
	band("harmful questions: more votes, less harmful", 0.1, 0.4, harmless, n)

	// Readers see less sharply than crowdworkers: one vote each way says less than one
	// comparison does.
	crowd := synth.DefaultCrowd()
	crowd.Harmful = 0
	cs := w.Comparisons(3000, stream(2), crowd)
	if bayes := w.BayesAccuracy(cs, crowd); benign >= bayes {
		t.Errorf("votes order %.3f of the pairs rightly, crowdworkers %.3f", benign, bayes)
	}
}

func TestForumThreads(t *testing.T) {
	w := synth.New(1)
	threads := w.Forum(2000, stream(3))
	var accepted, acceptedHelps, negative, many, harmful float64
	for i, th := range threads {
		if len(th.Answers) < 2 || len(th.Answers) > 5 {
			t.Fatalf("thread %d has %d answers", i, len(th.Answers))
		}
		seen, marks := map[string]bool{}, 0
		for _, a := range th.Answers {
			if a.Text == "" || a.Text[0] == ' ' || seen[a.Text] {
				t.Fatalf("thread %d: answer %q is empty, indented or there twice", i, a.Text)
			}
			seen[a.Text] = true
			if a.Votes < 0 {
				negative++
			}
			if a.Votes > 7 {
				many++
			}
			if a.Accepted {
				marks++
				if w.Judge(rlhf.Transcript{Prompt: ask(th.Question), Response: " " + a.Text}).Helpful > 0 {
					acceptedHelps++
				}
			}
		}
		if marks > 1 {
			t.Fatalf("thread %d has %d accepted answers", i, marks)
		}
		accepted += float64(marks)
		if w.Harmful(ask(th.Question)) {
			harmful++
		}
	}
	for _, c := range []struct {
		name        string
		got, lo, hi float64
	}{
		{"threads with an accepted answer", accepted / 2000, 0.5, 0.62},
		{"accepted answers that help", acceptedHelps / accepted, 0.8, 0.98},
		{"harmful questions", harmful / 2000, 0.21, 0.29}, // 4 standard deviations
		{"answers voted below zero", negative / 7000, 0.1, 0.35},
		{"answers with more than 7 votes", many / 7000, 0.1, 0.4},
	} {
		if c.got < c.lo || c.got > c.hi {
			t.Errorf("%s: %.3f, want %.2f to %.2f", c.name, c.got, c.lo, c.hi)
		}
	}
	if diff := cmp.Diff(threads[:20], w.Forum(20, stream(3))); diff != "" {
		t.Errorf("one seed, two forums:\n%s", diff)
	}
	if got := w.Forum(-1, stream(1)); len(got) != 0 {
		t.Errorf("Forum(-1) returned %d", len(got))
	}
}
