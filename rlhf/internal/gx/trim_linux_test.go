package gx_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/memory"
)

const trimEnv = "RLHF_GX_TEST_TRIM"

// TestTrim takes and gives back tensors under tunables by which the C library keeps their
// memory: it is there until Trim, and not after.
func TestTrim(t *testing.T) {
	if os.Getenv(trimEnv) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTrim$", "-test.v")
		cmd.Env = append(os.Environ(), trimEnv+"=1",
			"GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.arena_max=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestTrim") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const n, each, size = 20, 10e6, 200e6
	ones := gx.NewProgram(gx.TestBackend(t), "ones", func(in []*Node) []*Node { return []*Node{BroadcastToDims(in[0], each/4)} })
	take := func() *tensors.Tensor {
		out, err := ones.Call(float32(1))
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	gx.Free(take()) // compiled
	before := resident(t)
	var xs []*tensors.Tensor
	for range n {
		xs = append(xs, take())
	}
	if grown := resident(t) - before; float64(grown) < 0.9*size {
		t.Fatalf("tensors of %.0f MB take %.0f MB", size/1e6, float64(grown)/1e6)
	}
	gx.Free(xs...)
	if kept := resident(t) - before; float64(kept) < 0.9*size {
		t.Errorf("the C library keeps %.0f MB of %.0f: this test shows nothing", float64(kept)/1e6, size/1e6)
	}
	gx.Trim()
	if kept := resident(t) - before; float64(kept) > 0.1*size {
		t.Errorf("after Trim %.0f MB of %.0f are still there", float64(kept)/1e6, size/1e6)
	}
}

// resident is the memory of this process in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	bytes, known := memory.Held(os.Getpid())
	if !known {
		t.Fatal("Linux does not tell this process's memory")
	}
	return bytes
}
