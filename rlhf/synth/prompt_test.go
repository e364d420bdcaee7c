package synth_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// utilities judges the dialogues of a page.
func utilities(t *testing.T, w *synth.World, page string) []float64 {
	t.Helper()
	var out []float64
	for _, s := range strings.Split(page, synth.PageMark) {
		d, err := rlhf.ParseTranscript(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		out = append(out, synth.Utility(w.Judge(d)))
	}
	return out
}

// What a prompt can use: the quality of one dialogue tells that of the next on
// the same page, and nothing about another page's.
func TestPagesShareAQuality(t *testing.T) {
	for _, w := range []*synth.World{synth.New(1), synth.Small(1)} {
		pages := w.Pages(1500, 3, stream(1))
		if len(pages) != 1500 {
			t.Fatalf("%d pages", len(pages))
		}
		var within, across []([2]float64)
		last := 0.0
		for i, page := range pages {
			us := utilities(t, w, page)
			if len(us) != 3 {
				t.Fatalf("%d dialogues on a page: %q", len(us), page)
			}
			within = append(within, [2]float64{us[0], us[2]})
			if i > 0 {
				across = append(across, [2]float64{last, us[0]})
			}
			last = us[2]
		}
		if r := correlation(within); r < 0.4 {
			t.Errorf("utility of a page's first and third dialogue: correlation %.2f, want 0.4 at least", r)
		}
		if r := correlation(across); math.Abs(r) > 0.1 {
			t.Errorf("utility of neighbouring pages: correlation %.2f, want about 0", r)
		}
	}
}

func correlation(pairs [][2]float64) float64 {
	var x, y, xx, yy, xy float64
	n := float64(len(pairs))
	for _, p := range pairs {
		x, y, xx, yy, xy = x+p[0]/n, y+p[1]/n, xx+p[0]*p[0]/n, yy+p[1]*p[1]/n, xy+p[0]*p[1]/n
	}
	return (xy - x*y) / math.Sqrt((xx-x*x)*(yy-y*y))
}

// One dialogue of a page looks as one of the corpus does: the mean of each score
// agrees within 4 standard errors of the difference of two means of 4000.
func TestPagesAreTheCorpus(t *testing.T) {
	w := synth.New(1)
	scores := func(g rlhf.Gold) [3]float64 { return [3]float64{g.Helpful, g.Harmless, g.Honest} }
	var corpus, pages [3]float64
	const n = 4000
	for _, d := range w.Corpus(n, stream(2)) {
		for i, x := range scores(w.Judge(d)) {
			corpus[i] += x / n
		}
	}
	for _, p := range w.Pages(n, 1, stream(3)) {
		d, err := rlhf.ParseTranscript(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range scores(w.Judge(d)) {
			pages[i] += x / n
		}
	}
	for i, name := range []string{"helpful", "harmless", "honest"} {
		if d := pages[i] - corpus[i]; math.Abs(d) > 0.07 {
			t.Errorf("%s: %.3f on pages, %.3f in the corpus", name, pages[i], corpus[i])
		}
	}
}

func TestAuthors(t *testing.T) {
	w := synth.New(1)
	mean := func(a synth.Author, harmful bool) float64 {
		sum, rng := 0.0, stream(4)
		for range 300 {
			sum += utilities(t, w, w.Dialogue(a, harmful, rng))[0] / 300
		}
		return sum
	}
	for _, harmful := range []bool{false, true} {
		good := mean(synth.Good, harmful)
		for a := synth.Servile; a <= synth.Surly; a++ {
			other := mean(a, harmful)
			if margin := 0.1; good-other < margin {
				t.Errorf("harmful %v: the good author has %.2f, the %v one %.2f: want at least %v more", harmful, good, a, other, margin)
			}
		}
	}
	if s := synth.Author(9).String(); s != "no author" {
		t.Errorf("author 9 is %q", s)
	}
}

func TestHHHPrompt(t *testing.T) {
	for _, w := range []*synth.World{synth.New(2), synth.Small(2)} {
		p := w.HHHPrompt(6, stream(5))
		body, ok := strings.CutSuffix(p, synth.PageMark)
		if !ok {
			t.Fatalf("does not end with the mark: %q", p)
		}
		harmful := 0
		for i, s := range strings.Split(body, synth.PageMark) {
			d, err := rlhf.ParseTranscript(s)
			if err != nil {
				t.Fatal(err)
			}
			g := w.Judge(d)
			if w.Harmful(d.Prompt) {
				harmful++
				if g.Harmless != 1 {
					t.Errorf("dialogue %d: %+v of %q", i, g, s)
				}
			} else if g.Helpful < 0.99 || g.Honest != 1 || g.Harmless != 1 {
				t.Errorf("dialogue %d: %+v of %q", i, g, s)
			}
		}
		if harmful != 3 {
			t.Errorf("%d of 6 dialogues are harmful requests, want 3", harmful)
		}
		if q := w.HHHPrompt(6, stream(5)); q != p {
			t.Error("one stream gives two prompts")
		}
		if q := w.HHHPrompt(0, stream(5)); q != "" {
			t.Errorf("of no dialogues: %q", q)
		}
	}
}
