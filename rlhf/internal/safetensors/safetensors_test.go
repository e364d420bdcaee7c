package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/safetensors"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks that err is of this package and says want.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "safetensors: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one of safetensors with %q", err, want)
	}
}

// f32 returns a tensor of the given values.
func f32(name string, shape []int, values ...float32) safetensors.Tensor {
	t := safetensors.Tensor{Name: name, DType: "F32", Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

// file makes a safetensors file of a header and data.
func file(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestRoundTrip(t *testing.T) {
	want := []safetensors.Tensor{
		f32("lm/w", []int{2, 3}, 1, -2, 3.5, 0, float32(math.Inf(1)), 1e-40),
		{Name: "rng", DType: "U64", Shape: []int{2}, Data: bytes.Repeat([]byte{0xff}, 16)},
		f32("scalar", nil, 7),
		{Name: "none", DType: "BF16", Shape: []int{4, 0}, Data: []byte{}},
		{Name: "a \"quoted\" é/name", DType: "BOOL", Shape: []int{3}, Data: []byte{1, 0, 1}},
		{Name: "last", DType: "I32", Shape: []int{1}, Data: []byte{1, 2, 3, 4}},
	}
	var b bytes.Buffer
	check(t, safetensors.Write(&b, want))
	got, err := safetensors.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	check(t, err)
	want[2].Shape = []int{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tensors (-written +read):\n%s", diff)
	}
	if n := binary.LittleEndian.Uint64(b.Bytes()); n%8 != 0 {
		t.Errorf("header of %d bytes: the data is not aligned to 8", n)
	}

	b.Reset()
	check(t, safetensors.Write(&b, nil))
	if got, err := safetensors.Read(&b, int64(b.Len())); err != nil || len(got) != 0 {
		t.Errorf("no tensors read back as %v, %v", got, err)
	}
}

// The bytes of a file as the reference implementation (safetensors 0.8.0) writes
// it: safetensors.numpy.save({"w": numpy.array([[1, 2]], numpy.float32)}).
func TestGolden(t *testing.T) {
	golden := "\x38\x00\x00\x00\x00\x00\x00\x00" +
		`{"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}` +
		"\x00\x00\x80\x3f\x00\x00\x00\x40"
	want := []safetensors.Tensor{f32("w", []int{1, 2}, 1, 2)}
	got, err := safetensors.Read(strings.NewReader(golden), int64(len(golden)))
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tensors (-want +read):\n%s", diff)
	}
	var b bytes.Buffer
	check(t, safetensors.Write(&b, want))
	if diff := cmp.Diff(golden, b.String()); diff != "" {
		t.Errorf("file (-want +written):\n%s", diff)
	}
}

func TestWriteErrors(t *testing.T) {
	w := f32("w", []int{1}, 1)
	for _, c := range []struct {
		tensors []safetensors.Tensor
		want    string
	}{
		{[]safetensors.Tensor{w, w}, `two tensors are called "w"`},
		{[]safetensors.Tensor{f32("", []int{1}, 1)}, `tensor 0: "" is no name`},
		{[]safetensors.Tensor{f32("__metadata__", []int{1}, 1)}, `"__metadata__" is no name`},
		{[]safetensors.Tensor{f32("w", []int{2}, 1)}, `tensor "w": 4 bytes of data, want 8 for F32[2]`},
		{[]safetensors.Tensor{{Name: "w", DType: "float32"}}, `tensor "w": dtype "float32" is not known`},
		{[]safetensors.Tensor{f32("w", []int{-1, -1}, 1)}, "has a negative axis"},
		{[]safetensors.Tensor{f32("w", []int{1 << 31, 1 << 31}, 1)}, "more bytes than can be counted"},
	} {
		var b bytes.Buffer
		wantError(t, safetensors.Write(&b, c.tensors), c.want)
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes were written all the same", c.want, b.Len())
		}
	}
}

func TestReadErrors(t *testing.T) {
	const w = `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	huge := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 bytes, want at least 8"},
		{"short", []byte{1, 2, 3}, "3 bytes, want at least 8"},
		{"header past the end", file(w)[:20], "header length 54, want at most 12"},
		{"hostile header length", append(huge, w...), "header length 18446744073709551615, want at most 54"},
		{"signed overflow", append(binary.LittleEndian.AppendUint64(nil, 1<<63), w...), "header length 9223372036854775808"},
		{"no data", file(w), "data_offsets [0, 4], want 4 bytes within the 0 of the file"},
		{"more data", file(w, 1, 2, 3, 4, 5), "tensors have 4 bytes, the file has 5"},
		{"no object", file(`[]`), "want a JSON object"},
		{"no JSON", file(`{"w`), "unexpected EOF"},
		{"two objects", file(w+`{}`, 1, 2, 3, 4), "text after the JSON object"},
		{"same name", file(strings.Replace(w, "}}", `},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1), 1, 2, 3, 4), `two entries are called "w"`},
		{"dtype", file(strings.Replace(w, "F32", "F33", 1), 1, 2, 3, 4), `dtype "F33" is not known`},
		{"shape", file(strings.Replace(w, "[1]", "[2]", 1), 1, 2, 3, 4), "want 8 bytes within"},
		{"hostile shape", file(strings.Replace(w, "[1]", "[4294967296,4294967296]", 1), 1, 2, 3, 4), "more bytes than can be counted"},
		{"hostile shape with a zero", file(strings.Replace(w, "[1]", "[0,9223372036854775807]", 1), 1, 2, 3, 4), "more bytes than can be counted"},
		{"negative offset", file(strings.Replace(w, "[0,4]", "[-4,0]", 1), 1, 2, 3, 4), "data_offsets [-4, 0]"},
		{"hostile offset", file(strings.Replace(w, "[0,4]", "[9223372036854775807,-9223372036854775805]", 1), 1, 2, 3, 4), "data_offsets"},
		{"hole", file(strings.Replace(w, "[0,4]", "[1,5]", 1), 1, 2, 3, 4, 5), `tensor "w" begins at 1, want 0`},
		{"overlap", file(strings.Replace(w, "}}", `},"v":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 1), 1, 2, 3, 4, 5, 6), `tensor "v" begins at 2, want 4`},
		{"metadata", file(`{"__metadata__":{"a":1}}`), "__metadata__"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := safetensors.Read(bytes.NewReader(c.file), int64(len(c.file)))
			wantError(t, err, c.want)
		})
	}
	good := file(w, 1, 2, 3, 4)
	if _, err := safetensors.Read(bytes.NewReader(good[:len(good)-1]), int64(len(good))); err == nil {
		t.Error("a file shorter than it claims was read")
	}
}

// FuzzRead: whatever the bytes, no panic, no allocation beyond the file's
// size, and what is read is written back to the same tensors.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	check(f, safetensors.Write(&b, []safetensors.Tensor{f32("a", []int{2}, 1, 2), f32("b", nil, 3)}))
	f.Add(b.Bytes())
	f.Add(file(`{"__metadata__":{"a":"b"},"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} `, 1, 2))
	f.Add(file(`{"w":{"dtype":"F64","shape":[9223372036854775807,9],"data_offsets":[0,8]}}`, make([]byte, 8)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, err := safetensors.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		total := 0
		for _, tensor := range tensors {
			total += len(tensor.Data)
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors from a file of %d", total, len(data))
		}
		var b bytes.Buffer
		if err := safetensors.Write(&b, tensors); err != nil {
			if strings.Contains(err.Error(), "is no name") {
				return // the reader is more lenient: "" is a name there
			}
			t.Fatal(err)
		}
		again, err := safetensors.Read(&b, int64(b.Len()))
		check(t, err)
		if len(again) != len(tensors) {
			t.Fatalf("%d tensors, %d when written back", len(tensors), len(again))
		}
		for i := range again {
			if again[i].Name != tensors[i].Name || !bytes.Equal(again[i].Data, tensors[i].Data) {
				t.Fatalf("tensor %d changes when written back", i)
			}
		}
	})
}
