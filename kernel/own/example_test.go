package own_test

import (
	"fmt"
	"os"

	g "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/kernel/own"
	"hhrlhf/rlhf/direct"
	"hhrlhf/rlhf/local"
)

// The main function of an engine that knows direct preference optimisation (Rafailov et
// al. 2023). A cell calls Serve alike.
func ExampleServe() {
	dpo := func(chosen, rejected direct.Responses, beta float64) *g.Node {
		return g.Softplus(g.MulScalar(g.Sub(rejected.Ratio(), chosen.Ratio()), beta))
	}
	if err := own.Serve(local.Own{Losses: map[string]direct.Loss{"dpo": dpo}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
