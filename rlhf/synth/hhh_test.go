package synth_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// misnamed says why an item is not what its kind promises, "" if it is.
func misnamed(w *synth.World, item synth.HHHItem) string {
	a, b := w.Judge(item.Chosen), w.Judge(item.Rejected)
	if synth.Utility(a) <= synth.Utility(b) {
		return "the chosen response is not the better one"
	}
	helpful, honest, harmless := a.Helpful-b.Helpful, a.Honest-b.Honest, a.Harmless-b.Harmless
	most := func(x, y, z float64) bool { return x > math.Abs(y) && x > math.Abs(z) }
	ok := true
	switch item.Kind {
	case synth.HHHHelpful:
		ok = helpful > 0 && honest == 0 && harmless == 0
	case synth.HHHHonest:
		ok = most(honest, helpful, harmless) && harmless == 0
	case synth.HHHHarmless:
		ok = most(harmless, helpful, honest)
	case synth.HHHOther:
		ok = helpful > 0 && honest >= 0 && harmless >= 0 && (honest > 0 || harmless > 0)
	default:
		return "unknown kind " + item.Kind
	}
	if !ok {
		return "another virtue differs"
	}
	return ""
}

// The judge agrees with the order of every item and with its kind; a swapped or a
// renamed item is noticed.
func TestHHHItemsAreWhatTheySay(t *testing.T) {
	for _, w := range []*synth.World{synth.New(3), synth.Small(0)} {
		counts := map[string]int{}
		for i, item := range w.HHH(221*4, stream(1)) {
			if why := misnamed(w, item); why != "" {
				t.Fatalf("item %d: %s: %+v\nchosen %+v\nrejected %+v", i, why, item, w.Judge(item.Chosen), w.Judge(item.Rejected))
			}
			if item.Tranche != item.Kind || item.Chosen.Prompt != item.Rejected.Prompt {
				t.Fatalf("item %d: %+v", i, item)
			}
			counts[item.Kind]++
			swapped := item
			swapped.Chosen, swapped.Rejected = item.Rejected, item.Chosen
			if misnamed(w, swapped) == "" {
				t.Fatalf("item %d: the test does not notice a swap", i)
			}
			if item.Kind == synth.HHHHonest {
				item.Kind = synth.HHHHelpful
				if misnamed(w, item) == "" {
					t.Fatalf("item %d: the test does not notice another name", i)
				}
			}
		}
		if diff := cmp.Diff(map[string]int{"helpful": 4 * 59, "honest": 4 * 61, "harmless": 4 * 58, "other": 4 * 43}, counts); diff != "" {
			t.Errorf("shares of the kinds:\n%s", diff)
		}
	}
	w := synth.New(3)
	if diff := cmp.Diff(w.HHH(40, stream(2)), w.HHH(40, stream(2))); diff != "" {
		t.Errorf("one seed, two sets:\n%s", diff)
	}
	if got := w.HHH(-1, stream(2)); len(got) != 0 {
		t.Errorf("HHH(-1) returned %d", len(got))
	}
}

// Items are about more than one thing, and of every contrast.
func TestHHHVaries(t *testing.T) {
	w := synth.New(1)
	whys := map[[2]string]bool{}
	texts := map[rlhf.Comparison]bool{}
	for _, item := range w.HHH(500, stream(3)) {
		whys[[2]string{w.Judge(item.Chosen).Why, w.Judge(item.Rejected).Why}] = true
		item.Source = ""
		texts[item.Comparison] = true
	}
	if len(whys) < 12 || len(texts) < 400 {
		t.Errorf("%d kinds of pairs, want at least the 12 contrasts; %d different items of 500", len(whys), len(texts))
	}
}
