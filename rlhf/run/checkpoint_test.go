package run_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/run"
)

// checkpointOf makes a checkpoint all of whose contents tell its step.
func checkpointOf(step, floats int) run.Checkpoint {
	values := make([]float32, floats)
	for i := range values {
		values[i] = float32(step)
	}
	return run.Checkpoint{
		Step:    step,
		State:   json.RawMessage(`{"rows":` + strconv.Itoa(step) + `}`),
		Tensors: []run.Tensor{f32("w", []int{floats}, values...), f32("adam/m", []int{1}, float32(step))},
	}
}

// dirs lists the directories of the checkpoints.
func dirs(t *testing.T, r *run.Run) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.Dir(), "checkpoints"))
	check(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCheckpoint(t *testing.T) {
	for _, sync := range []bool{false, true} {
		r := newRun(t)
		r.Sync = sync
		_, err := r.LoadCheckpoint()
		wantError(t, err, run.ErrNoCheckpoint, r.Dir())
		for step := range 5 {
			want := checkpointOf(step*10, 3)
			check(t, r.SaveCheckpoint(want))
			got, err := r.LoadCheckpoint()
			check(t, err)
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("checkpoint (-saved +loaded):\n%s", diff)
			}
		}
		if diff := cmp.Diff([]string{"000004-step30", "000005-step40"}, dirs(t, r)); diff != "" {
			t.Errorf("checkpoints kept (-want +got):\n%s", diff)
		}
		r.Keep = 3
		check(t, r.SaveCheckpoint(run.Checkpoint{Step: 40})) // the same step again: the later one counts
		if diff := cmp.Diff([]string{"000004-step30", "000005-step40", "000006-step40"}, dirs(t, r)); diff != "" {
			t.Errorf("checkpoints kept (-want +got):\n%s", diff)
		}
		if got, err := r.LoadCheckpoint(); err != nil || len(got.Tensors) != 0 || string(got.State) != "null" {
			t.Errorf("an empty checkpoint loads as %v, %v", got, err)
		}
		r.Keep = 1
		check(t, r.SaveCheckpoint(checkpointOf(7, 1)))
		if diff := cmp.Diff([]string{"000007-step7"}, dirs(t, r)); diff != "" {
			t.Errorf("checkpoints kept (-want +got):\n%s", diff)
		}
	}
}

func TestSaveCheckpointErrors(t *testing.T) {
	r := newRun(t)
	check(t, r.SaveCheckpoint(checkpointOf(1, 1)))
	for _, c := range []struct {
		ck   run.Checkpoint
		want string
	}{
		{run.Checkpoint{Step: -1}, "step = -1, want 0 or more"},
		{run.Checkpoint{Step: 2, State: json.RawMessage("{")}, "state: "},
		{run.Checkpoint{Step: 2, State: json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 64<<20)) + `"`)}, "keep bulk in tensors"},
		{run.Checkpoint{Step: 2, Tensors: []run.Tensor{{Name: "w", DType: "F32", Shape: []int{1}}}}, `tensor "w": 0 bytes of data, want 4`},
	} {
		wantError(t, r.SaveCheckpoint(c.ck), nil, `run: checkpoint of`, `"r"`, c.want)
	}
	if diff := cmp.Diff([]string{"000001-step1"}, dirs(t, r)); diff != "" {
		t.Errorf("a refused checkpoint leaves traces (-want +got):\n%s", diff)
	}
}

func TestLoadCheckpointCorrupt(t *testing.T) {
	edit := func(f func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path, f(b), 0o600))
		}
	}
	for _, c := range []struct {
		name, file string
		spoil      func(t *testing.T, path string)
		want       string
	}{
		{"truncated", "tensors.safetensors", edit(func(b []byte) []byte { return b[:len(b)-3] }), "bytes, want"},
		{"emptied", "tensors.safetensors", edit(func([]byte) []byte { return nil }), "0 bytes, want"},
		{"grown", "tensors.safetensors", edit(func(b []byte) []byte { return append(b, 0) }), "bytes, want"},
		{"a bit flipped in the data", "tensors.safetensors", edit(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "CRC-32C"},
		{"a name changed", "tensors.safetensors", edit(func(b []byte) []byte { return bytes.Replace(b, []byte("adam"), []byte("eve."), 1) }), "CRC-32C"},
		{"zeros", "tensors.safetensors", edit(func(b []byte) []byte { return make([]byte, len(b)) }), "want a JSON object"},
		{"hostile header length", "tensors.safetensors", edit(func(b []byte) []byte { b[7] = 0x7f; return b }), "header length"},
		{"removed", "tensors.safetensors", func(t *testing.T, path string) { check(t, os.Remove(path)) }, "no such file"},
		{"state emptied", "state.json", edit(func([]byte) []byte { return nil }), "unexpected end of JSON input"},
		{"state cut", "state.json", edit(func(b []byte) []byte { return b[:len(b)/2] }), "unexpected end of JSON input"},
		{"another step", "state.json", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`"step":2`), []byte(`"step":9`), 1) }), "says step 9"},
		{"another format", "state.json", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`"format":1`), []byte(`"format":2`), 1) }), "format = 2, want 1"},
		{"state removed", "state.json", func(t *testing.T, path string) { check(t, os.Remove(path)) }, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRun(t)
			want := checkpointOf(1, 5)
			check(t, r.SaveCheckpoint(want))
			check(t, r.SaveCheckpoint(checkpointOf(2, 5)))
			newest := filepath.Join(r.Dir(), "checkpoints", "000002-step2")
			c.spoil(t, filepath.Join(newest, c.file))

			got, err := r.LoadCheckpoint()
			check(t, err)
			wantError(t, got.Skipped, nil, newest, c.want)
			got.Skipped = nil
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("fell back to another checkpoint (-want +got):\n%s", diff)
			}

			// Going on from there replaces the broken one.
			check(t, r.TruncateAfter(got.Step))
			check(t, r.SaveCheckpoint(checkpointOf(2, 5)))
			if got, err := r.LoadCheckpoint(); err != nil || got.Step != 2 || got.Skipped != nil {
				t.Errorf("after going on: %v, %v", got, err)
			}

			// With nothing to fall back to it is an error.
			for _, dir := range dirs(t, r) {
				path := filepath.Join(r.Dir(), "checkpoints", dir, "state.json")
				check(t, os.WriteFile(path, []byte("{"), 0o600))
			}
			_, err = r.LoadCheckpoint()
			wantError(t, err, nil, `none of the 2 checkpoints of "r" can be read`, "000001-step1", "000002-step2")
		})
	}
}

func TestStaleCheckpointsAreCleared(t *testing.T) {
	r := newRun(t)
	check(t, r.SaveCheckpoint(checkpointOf(1, 1)))
	check(t, r.Close())
	for _, name := range []string{".tmp-123", ".gone-000000-step0"} {
		stale := filepath.Join(r.Dir(), "checkpoints", name)
		check(t, os.Mkdir(stale, 0o700))
		check(t, os.WriteFile(filepath.Join(stale, "tensors.safetensors"), []byte("half"), 0o600))
	}
	if ck, err := r.LoadCheckpoint(); err != nil || ck.Step != 1 {
		t.Errorf("stale directories disturb reading: %v, %v", ck, err)
	}
	check(t, r.Lock())
	if diff := cmp.Diff([]string{"000001-step1"}, dirs(t, r)); diff != "" {
		t.Errorf("after Lock (-want +got):\n%s", diff)
	}
}

const killedFloats = 50_000 // 200 kB a checkpoint: long enough to be hit in the middle

func saveForever() {
	s, err := run.OpenStore(os.Args[1])
	if err != nil {
		panic(err)
	}
	r, err := s.Open("r")
	if err != nil {
		panic(err)
	}
	first := 0
	if ck, err := r.LoadCheckpoint(); err == nil {
		first = ck.Step + 1
		if err := r.TruncateAfter(ck.Step); err != nil {
			panic(err)
		}
	}
	for n := first; ; n++ {
		if err := r.AppendMetrics(n, map[string]float64{"x": float64(n)}); err != nil {
			panic(err)
		}
		if err := r.SaveCheckpoint(checkpointOf(n, killedFloats)); err != nil {
			panic(err)
		}
		os.Stdout.WriteString(".") // the parent waits for the first
	}
}

// TestKill kills a writer at 20 random moments. Whatever the moment, the newest
// checkpoint is whole, no checkpoint that was reported saved is lost, and after
// the last kill the metrics are those of a run that was never interrupted.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 20 processes: not with -short")
	}
	s := newStore(t)
	r, err := s.Create(run.Manifest{Name: "r"})
	check(t, err)
	check(t, r.Close())
	rng := rand.New(rand.NewPCG(4, 4))
	last := -1
	for kill := range 20 {
		cmd := child(t, "checkpoint", s.Dir())
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		saved := 0
		buf := make([]byte, 1<<16)
		n, err := out.Read(buf)
		check(t, err)
		saved += n
		time.Sleep(time.Duration(rng.IntN(30_000)) * time.Microsecond)
		check(t, cmd.Process.Kill())
		for err == nil { // what it had reported when it died
			n, err = out.Read(buf)
			saved += n
		}
		cmd.Wait()

		ck, err := r.LoadCheckpoint()
		check(t, err)
		if ck.Skipped != nil {
			t.Fatalf("kill %d: the newest checkpoint is broken: %v", kill, ck.Skipped)
		}
		if ck.Step < last+saved {
			t.Fatalf("kill %d: loaded step %d, but step %d was reported saved", kill, ck.Step, last+saved)
		}
		last = ck.Step
		if want := checkpointOf(last, killedFloats); !bytes.Equal(ck.State, want.State) || !slices.EqualFunc(ck.Tensors, want.Tensors, equalTensors) {
			t.Fatalf("kill %d: the checkpoint of step %d is not what was saved", kill, last)
		}
	}
	check(t, r.TruncateAfter(last))
	points, err := r.Metrics()
	check(t, err)
	want := make([]int, last+1)
	got := make([]int, 0, last+1)
	for i := range want {
		want[i] = i
	}
	for _, p := range points {
		got = append(got, p.Step)
	}
	if !slices.Equal(got, want) {
		t.Errorf("after 20 kills the steps of the metrics are %v, want 0 to %d", got, last)
	}
	t.Logf("%d checkpoints saved across 20 kills", last+1)
}

func equalTensors(a, b run.Tensor) bool {
	return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
}

func BenchmarkCheckpoint(b *testing.B) {
	ck := checkpointOf(1, 12<<20) // 48 MiB
	b.Run("save", func(b *testing.B) {
		r := newRun(b)
		b.SetBytes(48 << 20)
		for b.Loop() {
			check(b, r.SaveCheckpoint(ck))
		}
	})
	b.Run("load", func(b *testing.B) {
		r := newRun(b)
		check(b, r.SaveCheckpoint(ck))
		b.SetBytes(48 << 20)
		for b.Loop() {
			_, err := r.LoadCheckpoint()
			check(b, err)
		}
	})
}
