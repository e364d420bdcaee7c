package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/safetensors"
)

func write(t testing.TB, path string, tensors ...safetensors.Tensor) {
	t.Helper()
	var b bytes.Buffer
	check(t, safetensors.Write(&b, tensors))
	check(t, os.WriteFile(path, b.Bytes(), 0o600))
}

func TestHalf(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		want float32
	}{
		{0x0000, 0}, {0x3c00, 1}, {0xc000, -2}, {0x3555, 0.33325195}, {0x7bff, 65504},
		{0x0400, 0x1p-14}, {0x0001, 0x1p-24}, {0x83ff, -1023 * 0x1p-24}, // the smallest normal, subnormal numbers
		{0x7c00, float32(math.Inf(1))}, {0xfc00, float32(math.Inf(-1))},
	} {
		if got := safetensors.Half(c.bits); got != c.want {
			t.Errorf("Half(%#04x) = %v, want %v", c.bits, got, c.want)
		}
	}
	if got := safetensors.Half(0x8000); got != 0 || !math.Signbit(float64(got)) {
		t.Errorf("Half(0x8000) = %v, want -0", got)
	}
	if got := safetensors.Half(0x7e00); got == got {
		t.Errorf("Half(0x7e00) = %v, want NaN", got)
	}
}

func TestFloats(t *testing.T) {
	want := []float32{1, -2, 0.5}
	for _, c := range []struct {
		dtype string
		src   []byte
	}{
		{"F32", binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x3f800000), 0xc0000000), 0x3f000000)},
		{"F16", []byte{0, 0x3c, 0, 0xc0, 0, 0x38}},
		{"BF16", []byte{0x80, 0x3f, 0, 0xc0, 0, 0x3f}},
	} {
		got := make([]float32, 3)
		check(t, safetensors.Floats(got, c.dtype, c.src))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.dtype, diff)
		}
		wantError(t, safetensors.Floats(got, c.dtype, c.src[1:]), "bytes for 3 elements")
	}
	wantError(t, safetensors.Floats(nil, "I32", nil), "dtype I32, want F32, F16 or BF16")
}

func TestOpenFolder(t *testing.T) {
	single := t.TempDir()
	write(t, filepath.Join(single, "model.safetensors"), f32("a", []int{2}, 1, 2), f32("b", nil, 3))
	infos, err := safetensors.OpenFolder(single)
	check(t, err)
	if len(infos) != 2 || infos[1].Name != "b" || infos[1].Offset-infos[0].Offset != 8 || infos[1].Bytes != 4 {
		t.Errorf("tensors: %+v", infos)
	}
	data, err := os.ReadFile(infos[0].File)
	check(t, err)
	got := make([]float32, 2)
	check(t, safetensors.Floats(got, infos[0].DType, data[infos[0].Offset:infos[0].Offset+infos[0].Bytes]))
	if got[0] != 1 || got[1] != 2 {
		t.Errorf("a = %v, want [1 2]", got)
	}

	sharded := t.TempDir()
	write(t, filepath.Join(sharded, "one.safetensors"), f32("a", []int{2}, 1, 2))
	write(t, filepath.Join(sharded, "two.safetensors"), f32("b", nil, 3))
	index := func(s string) {
		check(t, os.WriteFile(filepath.Join(sharded, safetensors.IndexName), []byte(s), 0o600))
	}
	index(`{"metadata": {"total_size": 12}, "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}`)
	infos, err = safetensors.OpenFolder(sharded)
	check(t, err)
	if len(infos) != 2 || infos[0].Name != "a" || filepath.Base(infos[1].File) != "two.safetensors" {
		t.Errorf("tensors: %+v", infos)
	}
	for _, c := range []struct{ index, want string }{
		{`{`, "unexpected end of JSON"},
		{`{"weight_map": {}}`, "names no tensor"},
		{`{"weight_map": {"a": "../one.safetensors"}}`, `"a" is in "../one.safetensors", want the name of a file`},
		{`{"weight_map": {"a": ".."}}`, "want the name of a file"},
		{`{"weight_map": {"a": "three.safetensors"}}`, "three.safetensors"},
		{`{"weight_map": {"b": "one.safetensors"}}`, `one.safetensors holds tensor "a", for which weight_map has ""`},
		{`{"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}}`, `two.safetensors does not hold tensor "c"`},
	} {
		index(c.index)
		_, err := safetensors.OpenFolder(sharded)
		wantError(t, err, c.want)
	}
	_, err = safetensors.OpenFolder(t.TempDir())
	wantError(t, err, "has neither model.safetensors nor model.safetensors.index.json")
}

// A header that is longer than any real one is refused before memory is taken for
// it, even where the file claims to be as long.
func TestHeaderCap(t *testing.T) {
	prefix := binary.LittleEndian.AppendUint64(nil, 1<<40)
	_, err := safetensors.Read(bytes.NewReader(prefix), 1<<50)
	wantError(t, err, "header length 1099511627776")
}

// Header with metadata is what transformers looks for.
func TestHeaderMetadata(t *testing.T) {
	head, err := safetensors.Header([]safetensors.Tensor{{Name: "w", DType: "F32", Shape: []int{1}}}, map[string]string{"format": "pt"})
	check(t, err)
	want := `{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	if got := strings.TrimRight(string(head[8:]), " "); got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	tensors, err := safetensors.Read(bytes.NewReader(append(head, 1, 2, 3, 4)), int64(len(head)+4))
	check(t, err)
	if len(tensors) != 1 {
		t.Errorf("%d tensors, want 1", len(tensors))
	}
}
