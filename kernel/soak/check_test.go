package soak

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

// history is a record of n steps, with a checkpoint of the last.
func history(n int) *record {
	r := &record{ck: &run.Checkpoint{Step: n, State: []byte(`{"lm":1}`), Tensors: []run.Tensor{{Name: "w", DType: "F32", Shape: []int{1}, Data: []byte{1, 2, 3, 4}}}}}
	for i := range n {
		r.points = append(r.points, rlhf.Point{Step: i + 1, Values: map[string]float64{"loss": 1 / float64(i+1)}})
	}
	return r
}

// Each way in which a run could be lost is seen.
func TestComparisons(t *testing.T) {
	straight := history(5)
	if d := history(3).begins(straight); d != "" {
		t.Errorf("a beginning: %s", d)
	}
	if d := history(5).equals(straight); d != "" {
		t.Errorf("the same: %s", d)
	}
	for name, c := range map[string]struct {
		change func(*record)
		want   string
	}{
		"last bit":     {func(r *record) { r.points[2].Values["loss"] = math.Nextafter(1./3, 1) }, "step 3: loss"},
		"missing":      {func(r *record) { r.points = append(r.points[:1], r.points[2:]...) }, "point 1 is of step 3"},
		"twice":        {func(r *record) { r.points = append(r.points[:2:2], r.points[1:]...) }, "point 2 is of step 2"},
		"no value":     {func(r *record) { delete(r.points[0].Values, "loss") }, "step 1: loss"},
		"too long":     {func(r *record) { r.points = append(r.points, rlhf.Point{Step: 6}) }, "behind the plan's end"},
		"short":        {func(r *record) { r.points = r.points[:4] }, "4 steps"},
		"old":          {func(r *record) { r.ck.Step = 4 }, "checkpoint of step 4"},
		"no":           {func(r *record) { r.ck = nil }, "checkpoint of step 0"},
		"counter":      {func(r *record) { r.ck.State = []byte(`{"lm":2}`) }, "state"},
		"weight":       {func(r *record) { r.ck.Tensors[0].Data[3]++ }, "weights differ"},
		"tensor fewer": {func(r *record) { r.ck.Tensors = nil }, "weights differ"},
	} {
		r := history(5)
		c.change(r)
		if d := r.equals(straight); !strings.Contains(d, c.want) {
			t.Errorf("%s: %q, want %q", name, d, c.want)
		}
	}
}

// lost reads what a blow has left on disk.
func TestLost(t *testing.T) {
	dir := t.TempDir()
	store, err := run.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Create(run.Manifest{Name: "lm-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 3 {
		if err := r.AppendMetrics(i+1, map[string]float64{"loss": 1 / float64(i+1), "time/step": float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.SaveCheckpoint(run.Checkpoint{Step: 2}); err != nil {
		t.Fatal(err)
	}
	s := &soak{disk: &disk{path: dir}, straight: map[string]*record{"lm": history(5)}}
	for _, c := range []struct {
		kind    string
		printed int
		want    string
	}{{"engine", 3, ""}, {"engine", 4, "printed step 4"}, {"interrupt", 3, "newest checkpoint is of step 2"}, {"interrupt", 0, ""}} {
		e := Event{Kind: c.kind, Run: "lm-1"}
		s.lost(&e, "lm", c.printed)
		if got := strings.Join(e.Faults, "\n"); e.Step != 3 || e.Again != 1 || c.want == "" != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %d printed: %+v, want %q", c.kind, c.printed, e, c.want)
		}
	}
	s.straight["lm"].points[1].Values["loss"] = 0
	e := Event{Kind: "engine", Run: "lm-1"}
	if s.lost(&e, "lm", 0); len(e.Faults) != 1 || !strings.Contains(e.Faults[0], "not the straight run's: step 2") {
		t.Errorf("another history: %q", e.Faults)
	}
}

func TestSlope(t *testing.T) {
	var ms []Moment
	for i := range 12 {
		noise := []int64{5, -3, -2}[i%3] << 10
		ms = append(ms, Moment{PID: 1, At: float64(i), RSS: 1 << 40}, Moment{PID: 2, At: float64(i) * 360, RSS: 400<<20 + int64(i)<<20 + noise})
	}
	ms[1].RSS, ms[3].RSS = 1<<10, 1<<20 // warming up
	s := slope(ms)
	if s.N != 10 || math.Abs(s.PerHour-10<<20) > 1<<17 || s.Low > s.PerHour || s.High < s.PerHour || s.Low < 9<<20 || s.High > 11<<20 {
		t.Errorf("%+v, want 10 MiB an hour", s)
	}
	if s.grows() {
		t.Errorf("%+v is a fortieth in an hour, and counts as growth", s)
	}
	for i := range ms {
		ms[i].RSS += int64(ms[i].At*30) << 10 // 106 MiB an hour
	}
	if s := slope(ms); !s.grows() {
		t.Errorf("%+v does not count as growth", s)
	}
	for degrees, want := range map[int]float64{3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042} {
		if got := quantile(degrees); math.Abs(got/want-1) > 0.02 {
			t.Errorf("t quantile of %d degrees = %v, want %v", degrees, got, want)
		}
	}
	if s := slope(nil); s.N != 0 {
		t.Errorf("no moments: %+v", s)
	}
}

// A slow disk is slow for others, and fast again at once; a full one takes nothing.
func TestDisk(t *testing.T) {
	d, err := newDisk(filepath.Join(t.TempDir(), "runs"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if !d.small {
		t.Skip("a disk of its own needs a mount, which this user may not make")
	}
	free, err := d.fill()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.path, "x"), []byte("x"), 0o600); err == nil {
		t.Error("the full disk takes a file")
	}
	free()
	if err := os.WriteFile(filepath.Join(d.path, "x"), []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
	fast, err := d.slow(0)
	if err != nil {
		t.Fatal(err)
	}
	if took := cat(t, d.path+"/x"); took < openDelay {
		t.Errorf("the slow disk took %v", took)
	}
	if _, err := os.ReadFile(d.path + "/x"); err != nil { // our own reads pass
		t.Error(err)
	}
	fast()
	cat(t, d.path+"/x") // returns
}

// cat lets another process read a file.
func cat(t *testing.T, path string) time.Duration {
	t.Helper()
	began := time.Now()
	if out, err := exec.Command("cat", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return time.Since(began)
}
