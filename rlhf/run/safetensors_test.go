package run_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/run"
)

// f32 returns a tensor of the given values.
func f32(name string, shape []int, values ...float32) run.Tensor {
	t := run.Tensor{Name: name, DType: "F32", Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func TestTensors(t *testing.T) {
	want := []run.Tensor{f32("lm/w", []int{2, 2}, 1, -2, 3.5, 0), {Name: "rng", DType: "U64", Shape: []int{1}, Data: make([]byte, 8)}}
	var b bytes.Buffer
	check(t, run.WriteTensors(&b, want))
	got, err := run.ReadTensors(bytes.NewReader(b.Bytes()), int64(b.Len()))
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tensors (-written +read):\n%s", diff)
	}
	wantError(t, run.WriteTensors(&b, []run.Tensor{f32("w", []int{2}, 1)}), nil, "run: safetensors: ", "4 bytes of data, want 8")
	_, err = run.ReadTensors(bytes.NewReader(nil), 0)
	wantError(t, err, nil, "run: safetensors: ", "0 bytes, want at least 8")
}
