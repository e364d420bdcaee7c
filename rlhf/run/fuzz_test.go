package run_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"hhrlhf/rlhf/run"
)

// FuzzRun: whatever the files of a run hold, reading them gives values or errors, no
// panic, and no more memory than some times their size; and a run that can be
// loaded can be taken back to its checkpoint and written on.
func FuzzRun(f *testing.F) {
	s, err := run.OpenStore(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	r, err := s.Create(run.Manifest{Name: "r", Kind: "lm", Config: json.RawMessage(`{"a":1}`)})
	if err != nil {
		f.Fatal(err)
	}
	defer r.Close()
	err = errors.Join(r.AppendMetrics(1, map[string]float64{"x": 1}), r.AppendSample(1, "s"), r.AppendMetrics(2, map[string]float64{"x": 2}),
		r.SaveCheckpoint(run.Checkpoint{Step: 1, State: json.RawMessage(`{"n":1}`), Tensors: []run.Tensor{{Name: "w", DType: "F32", Shape: []int{1}, Data: make([]byte, 4)}}}))
	if err != nil {
		f.Fatal(err)
	}
	names := []string{"manifest.json", "metrics.jsonl", "samples.jsonl", "checkpoints/000001-step1/state.json", "checkpoints/000001-step1/tensors.safetensors"}
	var files [5][]byte
	for i, name := range names {
		if files[i], err = os.ReadFile(filepath.Join(r.Dir(), name)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(files[0], files[1], files[2], files[3], files[4])
	f.Add(files[0], []byte("{\"step\":1}\n{\"st"), []byte("{}\n"), []byte(`{"format":1,"step":1,"tensors":{"bytes":1099511627776,"crc32c":""}}`),
		[]byte("\xff\xff\xff\xff\xff\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, manifest, metrics, samples, state, tensors []byte) {
		dir := t.TempDir()
		s, err := run.OpenStore(dir)
		check(t, err)
		size := 0
		for i, data := range [][]byte{manifest, metrics, samples, state, tensors} {
			path := filepath.Join(dir, "r", names[i])
			check(t, os.MkdirAll(filepath.Dir(path), 0o700))
			check(t, os.WriteFile(path, data, 0o600))
			size += len(data)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read := func() {
			s.List()
			r, err := s.Open("r")
			if err != nil {
				return
			}
			defer r.Close()
			r.Metrics()
			r.Samples(func(int, json.RawMessage) error { return nil })
			ck, err := r.LoadCheckpoint()
			if err != nil || r.TruncateAfter(ck.Step) != nil {
				return
			}
			check(t, r.AppendMetrics(ck.Step+1, map[string]float64{"x": 3}))
			points, err := r.Metrics()
			check(t, err)
			if last := points[len(points)-1]; last.Step != ck.Step+1 || last.Values["x"] != 3 {
				t.Errorf("the last line is %v, want that of step %d", last, ck.Step+1)
			}
		}
		read()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20+200*uint64(size) {
			t.Errorf("%d bytes allocated for files of %d", n, size)
		}
		if err := s.Remove("r"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}
