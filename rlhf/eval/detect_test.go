package eval_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// strangers draws inliers whose first two entries go together, and outliers in groups of
// four in which they do not; each entry alone looks the same in both.
func strangers(n, m int, strength float64) (in, out [][]float64, groups []string) {
	rng := rltest.Rand(11)
	draw := func(n int, sign float64) [][]float64 {
		x := rltest.Matrix(rng, n, 6)
		for i := range x {
			common := strength * rng.NormFloat64()
			x[i][0] += common
			x[i][1] += sign * common
			x[i][5] *= 1000 // another unit
		}
		return x
	}
	for i := range m {
		groups = append(groups, fmt.Sprint(i/4))
	}
	return draw(n, 1), draw(m, -1), groups
}

// No index serves twice, groups stay together, and another split is another one.
func TestDetectorSplit(t *testing.T) {
	_, _, groups := strangers(0, 40, 0)
	d := eval.DefaultDetector()
	s, err := d.Split(0, 43, groups)
	if err != nil {
		t.Fatal(err)
	}
	sorted := func(parts ...[]int) []int { return slices.Sorted(slices.Values(slices.Concat(parts...))) }
	for what, got := range map[string][]int{"inliers": sorted(s.Fit, s.Tune, s.Test), "outliers": sorted(s.Shown, s.Strange)} {
		for i, j := range got {
			if i != j {
				t.Fatalf("%s: %v, want each index once", what, got)
			}
		}
	}
	if len(s.Fit) != 21 || len(s.Tune) != 10 || len(s.Test) != 12 || len(s.Shown) != 20 {
		t.Errorf("sizes %d, %d, %d and %d, %d", len(s.Fit), len(s.Tune), len(s.Test), len(s.Shown), len(s.Strange))
	}
	for _, i := range s.Shown {
		for _, j := range s.Strange {
			if groups[i] == groups[j] {
				t.Fatalf("outlier %d is shown and %d of the same group measured", i, j)
			}
		}
	}
	again, _ := d.Split(0, 43, groups)
	other, _ := d.Split(1, 43, groups)
	if !slices.Equal(again.Fit, s.Fit) || slices.Equal(other.Fit, s.Fit) {
		t.Error("a split is not what its number makes it")
	}
}

// Distances see what no entry alone shows; a classifier is blind to it, since the difference
// is not linear; where the outliers are shifted it sees that. On the inliers' own kind
// nothing is detected.
func TestDetectorMeasures(t *testing.T) {
	in, out, groups := strangers(400, 200, 2)
	d := eval.DefaultDetector()
	m, err := d.Measure(in, out, groups, 10, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Exposure) != 1 || m.Exposure[0].M != 10 {
		t.Fatalf("exposure %+v, want to 10 examples: there are not 1000", m.Exposure)
	}
	if m.SRM.Mean < 0.8 || m.MD.Mean < 0.65 || m.SRM.Mean < m.MD.Mean+0.05 || m.Exposure[0].AUROC.Mean > 0.7 || len(m.SRM.Of) != 3 || !(m.SRM.SE > 0) {
		t.Errorf("%+v", m)
	}
	same, err := d.Measure(in[:200], in[200:], groups, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []eval.Spread{same.MD, same.SRM, same.Exposure[0].AUROC} {
		if math.Abs(s.Mean-0.5) > 0.1 {
			t.Errorf("inliers among inliers: AUROC %+v", s)
		}
	}
	for i := range out {
		out[i][5] += 3000
	}
	shifted, err := d.Measure(in, out, groups, 10)
	if err != nil || shifted.Exposure[0].AUROC.Mean < 0.9 {
		t.Errorf("shifted: %+v, %v", shifted, err)
	}

	// The known mistake: measured on what was fitted to, vectors look near that are not.
	s, err := d.Split(0, len(in), groups)
	if err != nil {
		t.Fatal(err)
	}
	few := s
	few.Fit = s.Fit[:8] // hardly more than there are entries
	md, _, err := d.Distances(in, few)
	if err != nil {
		t.Fatal(err)
	}
	fitted, err := eval.AUROC(md(eval.Rows(in, few.Fit)), md(eval.Rows(in, s.Test)))
	if err != nil || fitted < 0.8 {
		t.Errorf("AUROC %v of new inliers against fitted ones (%v): the test sees no overfitting", fitted, err)
	}
}

// Declining costs about the share of inliers that was to be declined, and catches more of
// the outliers the further out they are; one threshold for both would not.
func TestDetectorDeclines(t *testing.T) {
	d := eval.DefaultDetector()
	for strength, least := range map[float64]float64{0: 0, 2: 0.4} {
		in, out, groups := strangers(800, 200, strength)
		a, err := d.Decline(in, out, groups, 0, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(a.Inliers.Mean-0.1) > 0.05 || a.Strange.Mean < least || strength == 0 && a.Strange.Mean > 0.2 {
			t.Errorf("strength %v: declined %+v", strength, a)
		}
		look, err := d.Look(in, out, groups, 0, 50)
		if err != nil || len(look.Inliers) != 50 || len(look.Strange) != 50 {
			t.Errorf("%d and %d scores to look at, %v", len(look.Inliers), len(look.Strange), err)
		}
	}
}

func TestDetectorRefuses(t *testing.T) {
	in, out, groups := strangers(40, 8, 1)
	d := eval.DefaultDetector()
	for want, call := range map[string]func() error{
		"Splits = 0":              func() error { _, err := eval.Detector{Draws: 1}.Measure(in, out, groups); return err },
		"at least 4 and 2":        func() error { _, err := d.Measure(in, out[:4], groups[:4]); return err },
		"and there are 4 to show": func() error { _, err := d.Decline(in, out, groups, 9, 0.1); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	none := eval.Detector{Splits: 1, Draws: 1}
	if _, err := none.Measure(in, out, groups); err != nil {
		t.Errorf("without a ridge, with more inliers than entries: %v", err)
	}
}
