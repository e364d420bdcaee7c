package show_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// catch returns what f shows in a notebook.
func catch(t *testing.T, f func()) []show.Shown {
	t.Helper()
	var got []show.Shown
	show.Catch(t, func(s show.Shown) { got = append(got, s) })
	f()
	return got
}

// What is written arrives whole, in one place that is drawn again, and a stream
// that breaks ends the cell.
func TestStream(t *testing.T) {
	words := func(err error) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, w := range []string{" Paris", " is", " nice."} {
				if !yield(w, nil) {
					return
				}
			}
			if err != nil {
				yield("", err)
			}
		}
	}
	var whole string
	shown := catch(t, func() { whole = show.Stream("Where?", words(nil)) })
	if whole != " Paris is nice." {
		t.Errorf("got %q", whole)
	}
	last := shown[len(shown)-1]
	if !strings.Contains(last.HTML, "Paris is nice.") || strings.Contains(last.HTML, "▌") {
		t.Errorf("the last frame is %s", last.HTML)
	}
	for _, s := range shown {
		if s.ID != last.ID {
			t.Error("a frame stands beside the last one, not in its place")
		}
	}
}

// The tint follows the surprise, and the sums are those of the predicted tokens.
func TestReading(t *testing.T) {
	tokens := []rlhf.Token{
		{Piece: "The", LogP: 0}, {Piece: " cat", LogP: -6, Rank: 40}, {Piece: " sat", LogP: -1, Rank: 1,
			Next: []rlhf.Guess{{Piece: " on", LogP: math.Log(0.5), Logit: 3}}},
	}
	text := catch(t, func() { show.Reading(tokens) })[0].Text
	for _, want := range []string{"2 predicted tokens", "3.5 nats per token", "the likeliest token in 50 %", "␣cat", "6.00"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if next := catch(t, func() { show.Next(tokens) })[0].Text; !strings.Contains(next, "50.0 %") || !strings.Contains(next, "The cat sat") {
		t.Errorf("Next shows\n%s", next)
	}
}

// The text under a ladder must not call falling what is not.
func TestLadderSaysWhetherItFalls(t *testing.T) {
	rungs := []show.Rung{{Name: "a", Params: 1e5, Loss: 3}, {Name: "b", Params: 1e6, Loss: 2}, {Name: "c", Params: 1e7, Loss: 2.1}}
	if text := catch(t, func() { show.Ladder("x", rungs) })[0].Text; !strings.Contains(text, "not monotone: b") {
		t.Errorf("says\n%s", text)
	}
	if text := catch(t, func() { show.Ladder("x", rungs[:2]) })[0].Text; !strings.Contains(text, "every larger model has the lower loss") {
		t.Errorf("says\n%s", text)
	}
}

func TestLedgerPhases(t *testing.T) {
	// Per phase: the columns that hold numbers in row 0's first token.
	want := [][]bool{
		{true, false, false, false, false, false, false},
		{true, true, false, false, true, false, false},
		{true, true, true, true, true, false, false},
		{true, true, true, true, true, true, true},
	}
	for phases, want := range want {
		got := catch(t, func() { show.Ledger(batch(phases), 0) })
		line := strings.Fields(strings.Split(got[0].Text, "\n")[3])
		if line[0] != "0" || line[1] != "␣It" || line[9] != "1" {
			t.Fatalf("phase %d: first token reads %q", phases, line)
		}
		var filled []bool
		for _, c := range line[2:9] {
			filled = append(filled, c != "—")
		}
		if diff := cmp.Diff(want, filled); diff != "" {
			t.Errorf("phase %d: filled columns (-want +got):\n%s", phases, diff)
		}
	}
}

func TestRowOutOfRange(t *testing.T) {
	for name, f := range map[string]func(*rlhf.Batch, int){"Ledger": show.Ledger, "Tokens": show.Tokens} {
		for _, b := range []*rlhf.Batch{nil, {}, batch(3)} {
			code := 0
			show.CatchExit(t, func(c int) { code = c })
			if got := catch(t, func() { f(b, 9) }); len(got) > 0 || code != 1 {
				t.Errorf("%s: shown %v, exit code %d, want nothing and 1", name, got, code)
			}
		}
	}
}

// A row that every token was masked out of has no picture.
func TestTokensOfNothing(t *testing.T) {
	b, code := batch(3), 0
	b.Mask[0] = make([]bool, 8)
	show.CatchExit(t, func(c int) { code = c })
	if got := catch(t, func() { show.Tokens(b, 0) }); len(got) > 0 || code != 1 {
		t.Errorf("shown %v, exit code %d, want nothing and 1", got, code)
	}
}

// A cell may hand over a batch that it has cut short; nothing may panic.
func TestOddBatches(t *testing.T) {
	b := batch(3)
	b.Score, b.KL, b.Gold, b.EOS, b.Mask, b.Prompts = b.Score[:1], b.KL[:1], b.Gold[:1], nil, b.Mask[:1], nil
	b.LogP = [][]float32{{float32(math.NaN())}}
	catch(t, func() {
		show.Samples(b, 100)
		show.Samples(b, -1)
		show.Ledger(b, 0)
		show.Tokens(b, 0)
		show.SampleTable(nil)
		show.Runs(nil)
		show.Compare(rlhf.BeforeAfter{}, 3)
		show.Transcripts(nil, 3)
		show.Comparisons(nil, -3)
		show.Comparisons([]rlhf.Comparison{{}, {Tranche: "harmless-base"}}, 9)
		show.Judged(nil, 3)
		show.Judged(judgedPairs(1), -1)
		show.Margins(nil)
		show.HowChosen(show.Choice{})
		show.HowChosen(show.Choice{Noise: math.NaN(), P: math.NaN(), UtilityA: math.Inf(1)})
		show.Data()
		show.Data(rlhf.DataInfo{}, rlhf.DataInfo{Rows: 5, Odd: []rlhf.Odd{{Rows: 9}}})
	})
}

// What folds is there, once, and what may offend is behind a click; what people
// of the synthetic world ask for is not.
func TestComparisonsFold(t *testing.T) {
	cs := []rlhf.Comparison{judgedPairs(2)[0].Comparison, judgedPairs(2)[1].Comparison}
	var long strings.Builder
	for i := range 400 {
		fmt.Fprintf(&long, " word%d", i)
	}
	cs[0].Chosen.Response = long.String()
	html := catch(t, func() { show.Comparisons(cs[:1], 1) })[0].HTML
	for i := range 400 {
		if n := strings.Count(html, fmt.Sprintf("word%d ", i)); n != 1 && i < 399 {
			t.Fatalf("word %d stands %d times", i, n)
		}
	}
	if n := strings.Count(html, "<details>"); n != 1 || strings.Count(html, "</details>") != 1 {
		t.Errorf("%d folds, want that of the long response", n)
	}
	if html := catch(t, func() { show.Comparisons(cs[1:], 1) })[0].HTML; strings.Contains(html, "<details>") {
		t.Error("a short synthetic pair folds")
	}
	for tranche, want := range map[string]bool{"harmless-base": true, "synth-harmless": false, "helpful-base": false} {
		cs[1].Tranche = tranche
		html := catch(t, func() { show.Comparisons(cs[1:], 1) })[0].HTML
		if got := strings.Index(html, "<details>"); (got >= 0 && got < strings.Index(html, "Hello.")) != want {
			t.Errorf("%s: folded at %d, want %v", tranche, got, want)
		}
	}
}

// Released pairs may part before the last turn; then each side shows its own.
func TestComparisonsPartEarly(t *testing.T) {
	h, a := rlhf.Human, rlhf.Assistant
	c := rlhf.Comparison{
		Chosen:   rlhf.Transcript{Prompt: h + " One?" + a + " Two." + h + " Three?" + a, Response: " Four."},
		Rejected: rlhf.Transcript{Prompt: h + " One?" + a + " Five." + h + " Six?" + a, Response: " Seven."},
	}
	text := catch(t, func() { show.Comparisons([]rlhf.Comparison{c}, 1) })[0].Text
	for word, want := range map[string]int{"One?": 1, "Two.": 1, "Three?": 1, "Four.": 1, "Five.": 1, "Six?": 1, "Seven.": 1} {
		if got := strings.Count(text, word); got != want {
			t.Errorf("%q stands %d times in\n%s", word, got, text)
		}
	}
}

// The mean of the tranches counts each alike (paper, figure 19), however many
// pairs it has: pooling the pairs, the known mistake, gives another number.
func TestAgainstMean(t *testing.T) {
	e := rlhf.PMEval{Tranches: []rlhf.Accuracy{accuracyOf("harmless-base", 100, 0.4), accuracyOf("helpful-base", 900, 0.8)}}
	sweeps := []show.Sweep{{Name: "m", X: []float64{1, 2}, Evals: []rlhf.PMEval{e, {Tranches: []rlhf.Accuracy{accuracyOf("harmless-base", 100, 0.7), accuracyOf("helpful-base", 900, 0.7)}}}}}
	text := catch(t, func() { show.Against("λ", sweeps) })[0].Text
	const mean, pooled = "0.600", "0.760"
	if !strings.Contains(text, mean) || strings.Contains(text, pooled) {
		t.Errorf("want a mean of %s, not %s:\n%s", mean, pooled, text)
	}
	if want := "the mean is highest, 0.700, at λ = 2"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
	text = catch(t, func() { show.Against("λ", sweeps, show.OfBest) })[0].Text
	for _, want := range []string{"m  1  0.857", "m  2  1.000"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// What package eval measures can be drawn as it is: each measure reaches the text,
// and one turn alone gets no panel.
func TestPMEvalOfScores(t *testing.T) {
	e, err := eval.PM(judgedPairs(300))
	if err != nil {
		t.Fatal(err)
	}
	got := catch(t, func() { show.PMEval(e); show.PMTable(e) })
	if len(got) != 2 || got[0].PNG == nil || got[1].HTML == "" {
		t.Fatalf("%d outputs, want a picture and a table", len(got))
	}
	for _, want := range []string{"both scores above", fmt.Sprintf("%.3f", e.All.Value), "turn 2"} {
		if !strings.Contains(got[0].Text, want) {
			t.Errorf("%q is not in\n%s", want, got[0].Text)
		}
	}
	for _, want := range []string{fmt.Sprintf("%.2f", e.Slope), fmt.Sprintf("%.3f", e.Brier), fmt.Sprintf("%.3f", e.ECE)} {
		if !strings.Contains(got[1].Text, want) {
			t.Errorf("%q is not in\n%s", want, got[1].Text)
		}
	}
}

// The label is turned over on red-team prompts, once.
func TestHowChosenLabel(t *testing.T) {
	for _, c := range []struct {
		p, draw float64
		redTeam bool
		want    string
	}{
		{0.9, 0.3, false, "chosen = A"}, {0.9, 0.95, false, "chosen = B"},
		{0.9, 0.3, true, "chosen = B"}, {0.9, 0.95, true, "chosen = A"},
	} {
		text := catch(t, func() { show.HowChosen(show.Choice{P: c.p, Draw: c.draw, RedTeam: c.redTeam, Noise: 1}) })[0].Text
		if !strings.Contains(text, c.want) {
			t.Errorf("P %v, draw %v, red team %v: want %q in\n%s", c.p, c.draw, c.redTeam, c.want, text)
		}
	}
}

// The shares are counted, not read off the bins, and a tie is neither right nor wrong.
func TestMargins(t *testing.T) {
	js := []eval.Judged{{Chosen: 1}, {Rejected: 1}, {Chosen: 2, Rejected: 2}, {Chosen: 5, Rejected: 4.9999}, {Chosen: 3}}
	text := catch(t, func() { show.Margins(js) })[0].Text
	if want := "right 0.600, wrong 0.200 of 5 pairs, equal 0.200"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
}

// times returns the moments at which pictures came while r ran.
func times(t *testing.T, r *run) (at []time.Duration, last show.Shown) {
	t.Helper()
	start := time.Now()
	show.Catch(t, func(s show.Shown) {
		if s.PNG != nil {
			at, last = append(at, time.Since(start)), s
		}
	})
	if err := show.Watch(r.Train()); err != nil {
		t.Fatal(err)
	}
	return at, last
}

// A hundred steps in a second must give five or six pictures, one place on the
// screen, and the last one must know the last step. Time in the bubble is fake.
func TestLiveRedrawsAtMostFiveTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun("lm", 0, 100, false)
		r.every = 10 * time.Millisecond
		at, last := times(t, r)
		if len(at) < 5 || len(at) > 7 {
			t.Errorf("%d pictures in a second, at %v", len(at), at)
		}
		for i := 1; i < len(at)-1; i++ { // the last one does not wait
			if at[i]-at[i-1] < 200*time.Millisecond {
				t.Errorf("pictures %v and %v are less than 200 ms apart", at[i-1], at[i])
			}
		}
		if !strings.Contains(last.Text, "steps 1 to 100") {
			t.Errorf("the last picture says %q", last.Text)
		}
	})
}

// A step that takes long must not delay the news of the one before it.
func TestLiveDrawsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		show.Catch(t, func(s show.Shown) {
			if s.PNG != nil {
				at = append(at, time.Since(start))
			}
		})
		points := history("lm", 2, false)
		err := show.Watch(func(yield func(rlhf.Event, error) bool) {
			for i := range points {
				yield(rlhf.Event{Run: "r", Kind: "lm", Step: i + 1, Of: 2, Point: &points[i]}, nil)
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
		})
		if err != nil || len(at) != 3 || at[1] > time.Second {
			t.Errorf("pictures at %v (err %v), want the second step's before the long wait", at, err)
		}
	})
}

func TestLiveOneDisplayID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pictures, below := map[string]bool{}, map[string]bool{}
		show.Catch(t, func(s show.Shown) {
			if s.PNG != nil {
				pictures[s.ID] = true
			} else {
				below[s.ID] = true
			}
		})
		r := newRun("ppo", 0, 10, true)
		r.every = 300 * time.Millisecond
		show.Live(r.Train())
		if len(pictures) != 1 || len(below) != 1 || pictures[""] || below[""] {
			t.Errorf("display ids: pictures %v, text %v, want one each", pictures, below)
		}
	})
}

// Steps and Train draw what was there before; a trained run is drawn as it is.
func TestTrainShowsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, done := range []int{7, 20} {
			got := catch(t, func() { show.Train(newRun("pm", done, 20, false)) })
			var last, status show.Shown
			for _, s := range got {
				if s.PNG != nil {
					last = s
				} else {
					status = s
				}
			}
			if !strings.Contains(last.Text, "steps 1 to 20") {
				t.Errorf("after %d steps the picture says %q", done, last.Text)
			}
			if want := map[int]string{7: "done", 20: "trained already"}[done]; !strings.Contains(status.Text, want) {
				t.Errorf("after %d steps the status is %q, want %q", done, status.Text, want)
			}
		}
	})
}

func TestLiveError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code := 0
		show.CatchExit(t, func(c int) { code = c })
		r := newRun("lm", 0, 20, false)
		r.fails, r.every = 7, time.Second
		got := catch(t, func() { show.Steps(r, 20) })
		picture, status := got[len(got)-2], got[len(got)-1]
		if code != 1 || !strings.Contains(picture.Text, "steps 1 to 6") || !strings.Contains(status.Text, "stopped: lab: step 7: the engine went away") {
			t.Errorf("exit code %d, picture %q, status %q", code, picture.Text, status.Text)
		}
	})
}

func TestEmptySequence(t *testing.T) {
	got := catch(t, func() { show.Live(iter.Seq2[rlhf.Event, error](func(func(rlhf.Event, error) bool) {})) })
	if len(got) != 1 || !strings.Contains(got[0].Text, "nothing to do") {
		t.Errorf("shown %v", got)
	}
}

// Axes never shrink, hold all they were given, and move rarely: a curve that
// creeps up by a thousandth each step must not move them each time.
func TestAxesDoNotTwitch(t *testing.T) {
	a := show.NewAxis(0, 1)
	lo, hi := a.Range()
	moves := 0
	for i := range 10000 {
		v := float64(i) / 1000 * math.Cos(float64(i)/300)
		a.Include(v)
		l, h := a.Range()
		if l > lo || h < hi || v < l || v > h {
			t.Fatalf("after %v the axis went from [%v, %v] to [%v, %v]", v, lo, hi, l, h)
		}
		if l != lo || h != hi {
			moves++
		}
		if n := len(a.Labels()); n < 3 || n > 12 {
			t.Fatalf("[%v, %v] has ticks %v", l, h, a.Labels())
		}
		lo, hi = l, h
	}
	if moves == 0 || moves > 15 {
		t.Errorf("the axis moved %d times in 10000 steps", moves)
	}
}

func TestAxisLabels(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   []string
	}{
		{0, 1, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{-1, 1, []string{"−1.0", "−0.5", "0.0", "0.5", "1.0"}},
		{0, 150, []string{"0", "50", "100", "150"}},
		{0, 50000, []string{"0", "10k", "20k", "30k", "40k", "50k"}},
	} {
		a := show.NewAxis(c.lo, c.hi)
		if diff := cmp.Diff(c.want, a.Labels()); diff != "" {
			t.Errorf("[%v, %v] (-want +got):\n%s", c.lo, c.hi, diff)
		}
	}
}

// A diverged run must be drawn, and called diverged, not crash the cell.
func TestNotFinite(t *testing.T) {
	bad := []float64{math.NaN(), math.Inf(1), -math.MaxFloat64, math.SmallestNonzeroFloat64}
	for _, kind := range []string{"lm", "pm", "ppo"} {
		for _, v := range bad {
			points := history(kind, 8, true)
			for name := range points[5].Values {
				points[5].Values[name], points[7].Values[name] = v, v
			}
			r := newRun(kind, 8, 8, true)
			r.points = points
			got := catch(t, func() {
				show.History(r)
				show.SqrtKL(points)
				show.Train(r)
			})
			if len(got) != 4 {
				t.Fatalf("%s with %v: %d outputs", kind, v, len(got))
			}
			status := got[3].Text
			if wrong := math.IsNaN(v) || math.IsInf(v, 0); wrong != strings.Contains(status, "NOT FINITE") {
				t.Errorf("%s with %v: status %q", kind, v, status)
			}
		}
	}
	e := pmEval()
	e.All.Value, e.Tranches[0].Low, e.Bins[2].Accuracy, e.Bins[3].N, e.Bayes = math.NaN(), math.NaN(), math.NaN(), 0, math.Inf(1)
	catch(t, func() {
		show.PMEval(e)
		show.PMEval(rlhf.PMEval{})
		full := fullPMEval(math.NaN())
		full.Turns[1].Value, full.Turns[2].Low, full.Thresholds[0].Above, full.Thresholds[1].Accuracy.N = math.NaN(), math.Inf(-1), math.Inf(-1), 0
		for _, ms := range [][]show.PM{nil, {{}}, {{Name: "a", Eval: full}, {Name: "b", Eval: e}, {}}} {
			show.Calibration(ms...)
			show.ByTurn(ms...)
			show.Thresholds(ms...)
		}
		show.Against("x", nil)
		show.Against("x", nil, show.OfBest)
		show.Against("x", []show.Sweep{{}, {Name: "short", X: []float64{1, 2}, Evals: []rlhf.PMEval{e}}, {X: []float64{math.NaN(), 0, -1}, Evals: []rlhf.PMEval{{}, e, full}}}, show.LogX)
		show.Against("x", []show.Sweep{{}, {X: []float64{3}, Evals: []rlhf.PMEval{e}}}, show.OfBest, show.LogX)
		show.Histogram("h", "x", show.Values{Name: "a", X: bad}, show.Values{Name: "none"})
		show.Lines("l", "x", "y", []show.Series{{Name: "a", X: bad, Y: bad}, {Name: "short", X: []float64{1}}}, show.LogX)
		show.Loss(nil)
		show.Distribution(rlhf.BeforeAfter{})
		for _, v := range bad {
			show.Margins([]eval.Judged{{Chosen: v}, {Rejected: v}, {Chosen: 1}})
			show.Judged([]eval.Judged{{Chosen: v}, {Rejected: v}}, 2)
		}
		show.Margins([]eval.Judged{{}})
		for _, points := range [][]eval.ScalingPoint{nil, {{}}, ladder()[:1], {{Params: math.NaN(), Pairs: math.Inf(1), Accuracy: math.NaN()}, {Params: 1e300, Pairs: -1, SE: math.NaN()}}} {
			for _, fit := range []eval.ScalingFit{{}, eval.PaperScaling, {C: math.NaN(), Params0: 1, Pairs0: 1}} {
				show.Scaling(points, fit)
			}
		}
		show.Climbs()
		show.Climbs(show.Climb{}, show.Climb{Name: "a", Score: []eval.Optimised{{}, {KL: -1}, {N: 4, KL: math.NaN(), Mean: math.Inf(1)}}, Gold: []eval.Optimised{{Mean: math.NaN()}}})
		show.Choices(nil, 3)
		show.Choices([]rlhf.Choice{{}, rlhf.Choose("p", []rlhf.Sample{{Score: math.NaN()}, {Score: math.Inf(1)}})}, 3)
		show.Agreement(nil)
		show.Agreement([]eval.Agreed{{A: "a", B: "b", Kappa: math.NaN()}, {A: "a", B: "c", Share: rlhf.Accuracy{N: 3, Value: math.NaN()}}})
	})
}

// The mean near the end of a slope stays on it; a mean of what came before, the
// usual moving average, lags by half its window.
func TestSmoothDoesNotLag(t *testing.T) {
	const tolerance = 1e-9
	y := make([]float64, 100)
	for i := range y {
		y[i] = 3 - 0.5*float64(i)
	}
	y[40] = math.NaN()
	got := show.Smooth(y, 11)
	for _, i := range []int{0, 3, 20, 60, 98, 99} {
		if math.Abs(got[i]-(3-0.5*float64(i))) > tolerance {
			t.Errorf("point %d: %v, want %v", i, got[i], y[i])
		}
	}
	if trailing := (y[95] + y[96] + y[97] + y[98] + y[99]) / 5; math.Abs(trailing-y[99]) < 10*tolerance {
		t.Error("the known mistake passes")
	}
}

func TestFitLine(t *testing.T) {
	a, b, ok := show.FitLine([]float64{0, 1, 2, math.NaN(), 3}, []float64{1, 3, 5, 100, 7})
	if !ok || math.Abs(a-1) > 1e-12 || math.Abs(b-2) > 1e-12 {
		t.Errorf("fit %v + %v x (%v), want 1 + 2 x", a, b, ok)
	}
	for _, x := range [][]float64{{0, 1}, {2, 2, 2, 2}} {
		if _, _, ok := show.FitLine(x, x); ok {
			t.Errorf("a line through x = %v", x)
		}
	}
}

// Wilson's interval for 10 of 20, from statsmodels' proportion_confint.
func TestWilson(t *testing.T) {
	lo, hi := show.Wilson(0.5, 20)
	if math.Abs(lo-0.2993) > 5e-5 || math.Abs(hi-0.7007) > 5e-5 {
		t.Errorf("[%v, %v], want [0.2993, 0.7007]", lo, hi)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 0.12345: "0.123", 0.5: "0.5", 14.2: "14.2", 0.01234: "0.0123", 12.3456: "12.35", 1234.5: "1234", -3: "-3", 1e-7: "1.00e-07", 2.5e9: "2.50e+09", 100: "100", math.Inf(1): "Inf", math.Inf(-1): "-Inf"} {
		if got := show.Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}

// Cells import this package: it must not bring GoMLX, nor gonum/plot's other
// back ends, into their build.
func TestLight(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	heavy := []string{"github.com/gomlx/", "net/http", "gonum.org/v1/plot/vg/vgpdf", "gonum.org/v1/plot/plotter"}
	seen := map[string]bool{}
	var walk func(pkg string)
	walk = func(pkg string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		dir := filepath.Join(root, strings.TrimPrefix(strings.TrimPrefix(pkg, "hhrlhf"), "/"))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			return !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go")
		})
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range parsed.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if path == "gonum.org/v1/plot" || slices.ContainsFunc(heavy, func(h string) bool { return strings.HasPrefix(path, h) }) {
					t.Errorf("%s imports %s", filepath.Join(pkg, f.Name()), path)
				}
				if strings.HasPrefix(path, "hhrlhf/") {
					walk(path)
				}
			}
		}
	}
	walk("hhrlhf/kernel/show")
	if !seen["hhrlhf/rlhf"] {
		t.Error("the walk did not reach package rlhf")
	}
}
