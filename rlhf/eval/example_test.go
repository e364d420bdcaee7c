package eval_test

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A scorer that counts exclamation marks is measured like any other.
func Example() {
	marks := func(ts []rlhf.Transcript) (scores []float64, err error) {
		for _, t := range ts {
			scores = append(scores, float64(strings.Count(t.Response, "!")))
		}
		return scores, nil
	}
	var cs []rlhf.Comparison
	for _, pair := range [][2]string{{"Sure! Gladly!", "No."}, {"It is 4.", "Four!"}, {"Yes!", "Maybe."}, {"Hello.", "Hi."}} {
		prompt := rlhf.Human + " " + pair[1] + "?" + rlhf.Assistant
		cs = append(cs, rlhf.Comparison{Chosen: rlhf.Transcript{Prompt: prompt, Response: pair[0]},
			Rejected: rlhf.Transcript{Prompt: prompt, Response: pair[1]}, Tranche: "hand-made"})
	}
	js, err := eval.Judge(cs, marks)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := eval.PM(js)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("accuracy %.3f of %d pairs, 95 %% interval %.2f to %.2f\n", e.All.Value, e.All.N, e.All.Low, e.All.High)
	fmt.Printf("loss %.3f nats, slope %.2f ± %.2f\n", e.Loss, e.Slope, e.SlopeSE)
	// Output:
	// accuracy 0.625 of 4 pairs, 95 % interval 0.22 to 0.91
	// loss 0.612 nats, slope 0.76 ± 0.94
}

// A model and a baseline on the same comparisons.
func ExampleDifference() {
	cs := make([]rlhf.Comparison, 40)
	model, baseline := make([]eval.Judged, 40), make([]eval.Judged, 40)
	for i := range cs {
		cs[i].Chosen.Prompt = fmt.Sprint(rlhf.Human, " question ", i, rlhf.Assistant)
		model[i] = eval.Judged{Chosen: float64(i%5) - 0.5, Comparison: cs[i]}    // wrong one time in five
		baseline[i] = eval.Judged{Chosen: float64(i%5) - 1.5, Comparison: cs[i]} // and two times in five
	}
	d, err := eval.Difference(model, baseline)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f against %.2f: +%.2f ± %.3f, beyond two standard errors: %v\n",
		eval.Accuracy("", model).Value, eval.Accuracy("", baseline).Value, d.Mean, d.SE, d.Mean > 2*d.SE)
	// Output: 0.80 against 0.60: +0.20 ± 0.064, beyond two standard errors: true
}

func ExampleFitScaling() {
	var points []eval.ScalingPoint
	for _, params := range []float64{13e6, 197e6, 2.7e9, 52e9} {
		for _, pairs := range []float64{1e3, 1e4, 8e4} {
			points = append(points, eval.ScalingPoint{Params: params, Pairs: pairs, Accuracy: eval.PaperScaling.At(params, pairs), SE: 0.01})
		}
	}
	f, err := eval.FitScaling(points)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("a = %.3f ± %.3f, b = %.3f ± %.3f, R² = %.2f\n", f.A, f.ASE, f.B, f.BSE, f.R2)
	fmt.Printf("13M on 80,000 pairs: %.3f\n", f.At(13e6, 8e4))
	// Output:
	// a = 0.007 ± 0.001, b = 0.015 ± 0.002, R² = 1.00
	// 13M on 80,000 pairs: 0.657
}

func ExampleTrainBagOfWords() {
	var train []rlhf.Comparison
	for _, pair := range [][2]string{{"Thank you, happy to help", "No, go away"}, {"Happy to help you", "Go away now"}, {"I am happy to", "I go"}} {
		train = append(train, rlhf.Comparison{Chosen: rlhf.Transcript{Response: pair[0]}, Rejected: rlhf.Transcript{Response: pair[1]}})
	}
	bag, err := eval.TrainBagOfWords(train, eval.BagOfWords{})
	if err != nil {
		fmt.Println(err)
		return
	}
	best, worst := bag.Words(1)
	fmt.Println(best[0].Text, "against", worst[0].Text)
	fmt.Println(bag.Score(rlhf.Transcript{Response: "Happy"}) > bag.Score(rlhf.Transcript{Response: "Go!"}))
	// Output:
	// happy against go
	// true
}

func ExampleAgreement() {
	table, err := eval.Agreement([]string{"researcher", "model"}, [][]int8{
		{1, -1, 1, 1, -1, 0, -1, 1}, // first side, second side, undecided
		{1, -1, 1, -1, -1, 1, 1, 1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range table {
		fmt.Printf("%s and %s: %.2f of %d items, κ = %.2f\n", a.A, a.B, a.Share.Value, a.Share.N, a.Kappa)
	}
	// Output: researcher and model: 0.71 of 7 items, κ = 0.42
}

func ExampleEqualWidthBins() {
	p, y := eval.Outcomes([]eval.Judged{{Chosen: 0.2}, {Chosen: 2}, {Chosen: 0.1, Rejected: 0.4}, {Chosen: 1.5}})
	bins, err := eval.EqualWidthBins(p, y, 4)
	if err != nil {
		fmt.Println(err)
	}
	for _, b := range bins {
		fmt.Printf("%d pairs: predicted %.2f, right %.2f\n", b.Count, b.MeanP, b.MeanY)
	}
	ece, _ := eval.CalibrationErrors(bins)
	fmt.Printf("expected calibration error %.3f\n", ece)
	// Output:
	// 2 pairs: predicted 0.56, right 0.50
	// 2 pairs: predicted 0.85, right 1.00
	// expected calibration error 0.106
}

// Four answers to a question, two of which would be drawn: what is the one worth to us
// that the preference model likes better?
func ExampleBestOfMean() {
	scores := []float64{0.2, 1.5, 0.9, -1.0}
	truth := []float64{0.4, -0.2, 1.0, 0.0}
	for _, n := range []int{1, 2, 4} {
		score, _ := eval.BestOfMean(scores, scores, n)
		value, _ := eval.BestOfMean(scores, truth, n)
		fmt.Printf("best of %d: score %.2f, truth %.2f, KL %.3f nats\n", n, score, value, eval.BestOfKL(n))
	}
	// Output:
	// best of 1: score 0.40, truth 0.30, KL 0.000 nats
	// best of 2: score 1.08, truth 0.30, KL 0.193 nats
	// best of 4: score 1.50, truth -0.20, KL 0.636 nats
}
