package study

import (
	"fmt"
	"math"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Preferences is what preference models are worth (section 3; figures 5, 7, 8, 9, 25).
type Preferences struct {
	Points []PreferencePoint `json:"points"`
	// Evals measure the judges of the largest rung, one a seed, on comparisons of their own kind.
	HH      []rlhf.PMEval `json:"hh"`
	Helpful []rlhf.PMEval `json:"helpful"`
	// Virtues compares judges and language models on items of single virtues (figure 5, left).
	Virtues []Virtues `json:"virtues"`
}

// PreferencePoint is one preference model of the scaling grid.
type PreferencePoint struct {
	Rung int `json:"rung"`
	Seed int `json:"seed"`
	eval.ScalingPoint
}

// Virtues is the share of HHH items that a rung's judge and language model rank right; the
// language model goes by mutual information, log p(a|q) − log p(a) (Askell et al. 2021,
// section 2.2.1).
type Virtues struct {
	Rung int           `json:"rung"`
	Seed int           `json:"seed"`
	PM   rlhf.Accuracy `json:"pm"`
	LM   rlhf.Accuracy `json:"lm"`
}

// hhhItems is the size of the public set.
const hhhItems = 221

// PreferenceModels measures section 3.
func PreferenceModels(st *Study) (Preferences, error) {
	var p Preferences
	all, err := eachModel(st, "preferences", st.preferences)
	for _, one := range all {
		p.Points, p.Virtues = append(p.Points, one.Points...), append(p.Virtues, one.Virtues...)
		p.HH, p.Helpful = append(p.HH, one.HH...), append(p.Helpful, one.Helpful...)
	}
	return p, err
}

func (st *Study) preferences(rung, seed int) (Preferences, error) {
	var p Preferences
	judge, err := st.Judge(HH, rung, seed)
	if err != nil {
		return p, err
	}
	for _, part := range []int{8, 4, 2, 1} {
		run := judge
		if part > 1 {
			run, err = st.PM(fmt.Sprintf("pm-hh-d%d-r%d-s%d", part, rung, seed), rlhf.PM{Size: st.Plan.Size, LM: st.BaseName(rung, seed),
				Rows: st.Plan.Pairs / part, LearningRate: st.Plan.PMRate, Centre: true, Seed: uint64(seed)})
			if err != nil {
				return p, err
			}
		}
		point, e, err := st.scaling(run, rung, seed)
		if err != nil {
			return p, err
		}
		p.Points = append(p.Points, point)
		if part == 1 && rung == st.Plan.Top() {
			p.HH = append(p.HH, e)
		}
	}
	if rung == st.Plan.Top() {
		helpful, err := st.Judge(Helpful, rung, seed)
		if err != nil {
			return p, err
		}
		e, err := helpful.Evaluate()
		if err != nil {
			return p, err
		}
		p.Helpful = append(p.Helpful, e)
	}
	v, err := st.virtues(judge, rung, seed)
	p.Virtues = append(p.Virtues, v)
	return p, err
}

// scaling measures one model of the scaling grid on its own held-out comparisons.
func (st *Study) scaling(run rlhf.PMRun, rung, seed int) (PreferencePoint, rlhf.PMEval, error) {
	point := PreferencePoint{Rung: rung, Seed: seed}
	e, err := run.Evaluate()
	if err != nil {
		return point, e, err
	}
	info, err := run.Info()
	if err != nil {
		return point, e, err
	}
	trained := 0
	for _, d := range info.Data {
		trained += d.Rows
	}
	point.ScalingPoint = eval.ScalingPoint{Params: float64(info.NonEmbedding), Pairs: float64(trained) * 0.8,
		Accuracy: e.All.Value, SE: (e.All.High - e.All.Low) / (2 * eval.Z95)}
	return point, e, nil
}

// virtues asks a judge and its language model about the HHH items.
func (st *Study) virtues(judge rlhf.PMRun, rung, seed int) (Virtues, error) {
	v := Virtues{Rung: rung, Seed: seed}
	base, err := st.Base(rung, seed)
	if err != nil {
		return v, err
	}
	var items []rlhf.Comparison
	for _, item := range st.World.HHH(hhhItems, rand.New(rand.NewPCG(uint64(seed), 0x686868))) { // "hhh"
		items = append(items, item.Comparison)
	}
	js, err := eval.Judge(items, judge.Score)
	if err != nil {
		return v, err
	}
	v.PM = eval.Accuracy("preference model", js)
	js, err = eval.Judge(items, func(ts []rlhf.Transcript) ([]float64, error) {
		alone := make([]rlhf.Transcript, len(ts))
		for i, t := range ts {
			alone[i] = rlhf.Transcript{Prompt: rlhf.Assistant, Response: t.Response}
		}
		with, err := base.LogP(ts)
		if err != nil {
			return nil, err
		}
		without, err := base.LogP(alone)
		if err != nil {
			return nil, err
		}
		return eval.MutualInformation(with, without)
	})
	v.LM = eval.Accuracy("language model", js)
	return v, err
}

// Fit is the scaling line through all points.
func (p Preferences) Fit() (eval.ScalingFit, error) {
	var points []eval.ScalingPoint
	for _, q := range p.Points {
		points = append(points, q.ScalingPoint)
	}
	return eval.FitScaling(points)
}

// Claims judges section 3.
func (p Preferences) Claims() []Claim {
	claims := append(p.scalingClaims(), p.calibrationClaims()...)
	return append(claims, p.virtueClaim(), p.turnClaim())
}

func (p Preferences) scalingClaims() []Claim {
	const figure = "Accuracy against data, by size of model"
	data := Claim{ID: "pm-data", Section: "3.2", Figure: figure, Says: "A preference model's accuracy grows with the logarithm of its data",
		Paper: "0.015 per ln(comparisons): a point for each doubling (eq. A.1, figure 7)", Wants: "coefficient of ln(comparisons) above 0 by two standard errors, R² above 0.8"}
	size := Claim{ID: "pm-size", Section: "3.2", Figure: figure, Says: "… and with that of its size",
		Paper: "0.007 per ln(parameters) (eq. A.1)", Wants: "coefficient of ln(parameters) above 0 by two standard errors"}
	f, err := p.Fit()
	if err != nil {
		return []Claim{data.Beyond("no line: %v", err), size.Beyond("no line: %v", err)}
	}
	seeds := p.seeds()
	data.Value, data.Low, data.High, data.Seeds = f.B, f.B-eval.Z95*f.BSE, f.B+eval.Z95*f.BSE, seeds
	data.Ours = fmt.Sprintf("%.4f ± %.4f (s.e.) per ln(comparisons), R² %.2f, %d models", f.B, f.BSE, f.R2, len(p.Points))
	size.Value, size.Low, size.High, size.Seeds = f.A, f.A-eval.Z95*f.ASE, f.A+eval.Z95*f.ASE, seeds
	size.Ours = fmt.Sprintf("%.4f ± %.4f (s.e.) per ln(parameters)", f.A, f.ASE)
	return []Claim{data.Judged(f.B > 2*f.BSE && f.R2 > 0.8, "coefficient %.4f ± %.4f, R² %.2f", f.B, f.BSE, f.R2),
		size.Judged(f.A > 2*f.ASE, "coefficient %.4f ± %.4f; this world leaves the larger models little that the smaller ones miss", f.A, f.ASE)}
}

func (p Preferences) seeds() int {
	most := 0
	for _, q := range p.Points {
		most = max(most, q.Seed)
	}
	return most
}

// slopes are the calibration slopes of evaluations that have one.
func slopes(es []rlhf.PMEval) (x []float64) {
	for _, e := range es {
		if e.SlopeSE > 0 {
			x = append(x, e.Slope)
		}
	}
	return x
}

func (p Preferences) calibrationClaims() []Claim {
	const figure = "Calibration of the preference models"
	var eces, falls []float64
	for _, e := range p.Helpful {
		eces = append(eces, e.ECE)
	}
	for _, e := range p.HH {
		falls = append(falls, thresholdTrend(e.Thresholds))
	}
	helpful, hh, ece, fall := Over(slopes(p.Helpful)), Over(slopes(p.HH)), Over(eces), Over(falls)
	calibrated := Claim{ID: "calibrated", Section: "3.3", Figure: figure, Says: "Helpfulness preference models are well calibrated",
		Paper: "points on the line 1/(1+e^−Δ) (figure 9)", Wants: "slope of the logit on Δ between 0.9 and 1.1, expected calibration error below 0.03, on the mean of the seeds",
		Ours: fmt.Sprintf("slope %v, calibration error %v", helpful, ece)}.With(helpful)
	under := Claim{ID: "under-confident", Section: "3.3", Figure: figure, Says: "Models of both kinds of data are slightly under-confident",
		Paper: "accuracy above the line (figure 9)", Wants: "the slope is above 1 and not below that of the helpfulness models",
		Ours: fmt.Sprintf("slope %v; helpfulness models %v", hh, helpful)}.With(hh)
	high := Claim{ID: "high-scores", Section: "3.3", Figure: "Accuracy among high scores", Says: "Preference models are less accurate among responses that they score high",
		Paper: "helpful .72 to .64, harmless .71 to .53 over the range of thresholds [plot] (figure 25)", Wants: "rank correlation of accuracy and threshold at most −0.8, on the mean of the seeds",
		Ours: fmt.Sprintf("rank correlation %v", fall)}.With(fall)
	if len(helpful.Of) == 0 || len(hh.Of) == 0 {
		why := "no calibration slope exists for these models"
		return []Claim{calibrated.Beyond("%s", why), under.Beyond("%s", why), high.Judged(fall.Mean <= -0.8, "correlation %.2f", fall.Mean)}
	}
	return []Claim{calibrated.Judged(helpful.Mean >= 0.9 && helpful.Mean <= 1.1 && ece.Mean < 0.03, "slope %.2f, error %.3f", helpful.Mean, ece.Mean),
		under.Judged(hh.Mean > 1 && hh.Mean >= helpful.Mean, "slope %.2f against %.2f", hh.Mean, helpful.Mean),
		high.Judged(fall.Mean <= -0.8, "correlation %.2f", fall.Mean)}
}

// thresholdTrend is the rank correlation of threshold and accuracy, 0 where all accuracies
// are equal.
func thresholdTrend(ts []rlhf.Threshold) float64 {
	var above, accuracy []float64
	for _, t := range ts {
		above, accuracy = append(above, t.Above), append(accuracy, t.Accuracy.Value)
	}
	c, err := eval.Correlate(above, accuracy)
	if err != nil {
		return 0
	}
	return c.Spearman
}

func (p Preferences) virtueClaim() Claim {
	var lead, pm []float64
	top := 0
	for _, v := range p.Virtues {
		top = max(top, v.Rung)
	}
	for _, v := range p.Virtues {
		if v.Rung == top {
			lead, pm = append(lead, v.PM.Value-v.LM.Value), append(pm, v.PM.Value)
		}
	}
	e := Over(lead)
	return Claim{ID: "hhh", Section: "3.4", Figure: "Single virtues", Says: "Preference models tell the better of two answers of one virtue far better than language models do",
		Paper: "52B: 0.86 against 0.68 [plot] on 221 items (figure 5)", Wants: "the largest judges are ahead by 0.05 or more, interval above 0",
		Ours: fmt.Sprintf("%.3f right, ahead by %v, %d items", Over(pm).Mean, e, hhhItems)}.With(e).
		Judged(e.Mean >= 0.05 && e.Low > 0, "ahead by %v", e)
}

func (p Preferences) turnClaim() Claim {
	c := Claim{ID: "turns", Section: "3.2", Figure: "Accuracy by turn", Says: "Accuracy is highest on the first turn and nearly constant after it",
		Paper: ".74, then .71 to .72 [plot] (figure 8)", Wants: "first turn highest, later ones within 2 points of each other"}
	var lead []float64
	n := math.MaxInt
	for _, e := range p.HH {
		if len(e.Turns) < 2 {
			return c.Beyond("the small world has hardly any second turns")
		}
		lead = append(lead, e.Turns[0].Value-e.Turns[1].Value)
		n = min(n, e.Turns[1].N)
	}
	e := Over(lead)
	c = c.With(e)
	c.Ours = fmt.Sprintf("first less second turn %v, at least %d second turns", e, n)
	if len(p.HH) == 0 || n < 200 {
		return c.Beyond("only %d comparisons of second turns, and no third ones, in this world", n)
	}
	return c.Judged(e.Mean > 0, "the second turn is ahead")
}
