package gx

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"hhrlhf/internal/pjrt"
)

var shared struct {
	once sync.Once
	be   compute.Backend
	err  error
}

// TestBackend returns the XLA backend that the tests of this process share. It
// installs the CPU plugin where that is missing, as `rlhf setup` does; the
// variable GOMLX_BACKEND, if set, chooses another backend.
func TestBackend(t testing.TB) compute.Backend {
	t.Helper()
	shared.once.Do(func() {
		spec := os.Getenv("GOMLX_BACKEND")
		if spec == "" {
			var plugin string
			if plugin, shared.err = pjrt.Ensure(context.Background(), os.Stderr); shared.err != nil {
				return
			}
			spec = "xla:" + plugin
		}
		shared.be, shared.err = Open(spec)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.be
}
