package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
)

// Any lab can be served; this one does arithmetic.
func ExampleServe() {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	lab, err := enginetest.New(enginetest.Options{})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	err = engine.Serve(ctx, engine.Options{
		Socket: filepath.Join(dir, "engine.sock"),
		Lab:    lab,
		Ready:  func() { fmt.Println("serving"); stop() },
	})
	fmt.Println("stopped:", err)
	// Output:
	// serving
	// stopped: <nil>
}
