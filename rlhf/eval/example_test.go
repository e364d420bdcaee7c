package eval_test

import (
	"fmt"

	"hhrlhf/rlhf/eval"
)

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
