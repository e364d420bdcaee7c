package gx

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"hhrlhf/rlhf/pjrt"
)

var shared struct {
	once sync.Once
	be   compute.Backend
	err  error
}

// TestSpec names the backend of the tests: GOMLX_BACKEND if it is set, else the
// XLA plugin for the CPU, installed where it is missing, as `rlhf setup` does.
var TestSpec = sync.OnceValues(func() (string, error) {
	if spec := os.Getenv("GOMLX_BACKEND"); spec != "" {
		return spec, nil
	}
	plugin, err := pjrt.Ensure(context.Background(), os.Stderr)
	return "xla:" + plugin, err
})

// TestBackend returns the backend that the tests of this process share.
func TestBackend(t testing.TB) compute.Backend {
	t.Helper()
	shared.once.Do(func() {
		var spec string
		if spec, shared.err = TestSpec(); shared.err == nil {
			shared.be, shared.err = Open(spec)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.be
}
