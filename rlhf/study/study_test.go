package study_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/study"
)

// TestMain turns XLA's optimizer off: at this package's sizes most of the time is
// compilation, and most of that is the optimizer.
func TestMain(m *testing.M) {
	os.Setenv("XLA_FLAGS", strings.TrimSpace(os.Getenv("XLA_FLAGS")+" --xla_backend_optimization_level=0"))
	os.Exit(m.Run())
}

// smallest is a plan that goes through training and measuring in seconds.
func smallest() study.Plan {
	p := study.Tiny()
	p.Seeds, p.Shapes, p.LMSteps, p.Pairs, p.PPOSteps, p.Prompts = 1, p.Shapes[:1], 6, 120, 4, 8
	return p
}

func openLab(t *testing.T, dir string) *local.Lab {
	t.Helper()
	gx.TestBackend(t)
	spec, err := gx.TestSpec()
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(local.Options{Dir: dir, Backend: spec})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A study that is broken off at every one of its own messages, at first and at later steps
// of training, and opened again in a new lab each time, measures bit for bit what one that
// ran straight does.
func TestBrokenOff(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and compiles for half a minute; -short is set")
	}
	measure := func(dir string, say func(rlhf.Event) error) ([]study.Claim, *study.Study, error) {
		l := openLab(t, dir)
		defer l.Close()
		st, err := study.Open(l, "s", smallest(), study.Options{Say: say})
		if err != nil {
			t.Fatal(err)
		}
		g, err := study.Models(st)
		return g.Claims(), st, err
	}
	straight, broken := t.TempDir(), t.TempDir()
	want, st, err := measure(straight, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	seen, breaks := map[string]int{}, 0
	for {
		_, _, err := measure(broken, func(e rlhf.Event) error {
			// The third of a kind is in the middle of a training.
			key := e.Run + "|" + e.Message
			if seen[key]++; seen[key] == 1 && e.Kind == study.Kind || seen[key] == 3 && e.Kind != study.Kind {
				return stop
			}
			return nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if breaks++; breaks > 50 {
			t.Fatal("it never ends")
		}
	}
	if breaks < 4 {
		t.Errorf("broken off only %d times: the test has no teeth", breaks)
	}
	a, err := os.ReadFile(filepath.Join(st.Dir(), "measured", "models-r0-s1.json"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(broken, ".study", "s", "measured", "models-r0-s1.json"))
	if err != nil || string(a) != string(b) {
		t.Errorf("broken off %d times it measured\n%s\nand straight\n%s\n(%v)", breaks, b, a, err)
	}

	t.Run("read", func(t *testing.T) {
		read, err := study.Read(st.Dir())
		if err != nil {
			t.Fatal(err)
		}
		g, err := study.Models(read)
		if got := g.Claims(); err != nil || len(got) != len(want) || !reflect.DeepEqual(got, want) {
			t.Errorf("read back: %+v, %v\nwant %+v", got, err, want)
		}
		if _, err := study.PreferenceModels(read); !errors.Is(err, study.ErrNotMeasured) {
			t.Errorf("what was not measured: %v", err)
		}
		if _, err := read.Base(0, 1); !errors.Is(err, study.ErrNotMeasured) {
			t.Errorf("a model of a study without a lab: %v", err)
		}
		if _, err := study.Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "plan.json") {
			t.Errorf("a folder that is none: %v", err)
		}
	})
	t.Run("another plan", func(t *testing.T) {
		p := smallest()
		p.Seeds = 2
		if _, err := study.Open(openLab(t, straight), "s", p, study.Options{}); err == nil || !strings.Contains(err.Error(), `"seeds":2`) {
			t.Errorf("error %v, want the two plans", err)
		}
	})
	t.Run("seeds", func(t *testing.T) {
		l := openLab(t, straight)
		defer l.Close()
		if _, err := study.Open(l, "s", smallest(), study.Options{Seeds: []int{2}}); err == nil || !strings.Contains(err.Error(), "Seeds has 2, want 1 to 1") {
			t.Errorf("error %v, want the seed and the range", err)
		}
		st, err := study.Open(l, "s", smallest(), study.Options{Seeds: []int{1}})
		if err != nil || !slices.Equal(st.Seeds(), []int{1}) {
			t.Errorf("seeds %v, %v", st.Seeds(), err)
		}
	})
	t.Run("a broken measurement", func(t *testing.T) {
		path := filepath.Join(st.Dir(), "measured", "models-r0-s1.json")
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := study.Models(st); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("error %v, want the file and what to do", err)
		}
	})
}

func TestPlans(t *testing.T) {
	for _, name := range []string{"tiny", "glance", "small", "large"} {
		p, err := study.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		marks := p.Marks()
		if len(marks) != p.Snapshots || marks[len(marks)-1] != p.PPOSteps || marks[0] < 1 {
			t.Errorf("%s: marks %v", name, marks)
		}
	}
	if p := study.Small(); p.Seeds < 3 || len(p.Shapes) < 3 {
		t.Errorf("the report's plan has %d seeds and %d shapes, want 3 of each", p.Seeds, len(p.Shapes))
	}
	if _, err := study.Named("huge"); err == nil || !strings.Contains(err.Error(), "small") {
		t.Errorf("error %v, want the names that there are", err)
	}
	for _, c := range []struct {
		change func(*study.Plan)
		want   string
	}{
		{func(p *study.Plan) { p.Seeds = 0 }, "Seeds"},
		{func(p *study.Plan) { p.Shapes = nil }, "Shapes"},
		{func(p *study.Plan) { p.Snapshots = p.PPOSteps + 1 }, "Snapshots"},
		{func(p *study.Plan) { p.Data = "hh-rlhf" }, "hh-rlhf"},
	} {
		p := study.Tiny()
		c.change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one about %s", err, c.want)
		}
	}
}

// A claim without its threshold, its figure or its reason is not one.
func TestClaims(t *testing.T) {
	whole := study.Claim{ID: "x", Section: "4.1", Says: "says", Paper: "paper", Wants: "wants", Ours: "ours"}
	for _, c := range []struct {
		name  string
		claim study.Claim
		ok    bool
	}{
		{"held", whole.Judged(true, "no"), true},
		{"did not hold", whole.Judged(false, "only %d", 3), true},
		{"out of reach", whole.Beyond("too small"), true},
		{"no verdict", whole, false},
		{"no reason", whole.Judged(false, ""), false},
	} {
		if err := c.claim.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if c := whole.Judged(true, "because"); c.Why != "" || c.Verdict != study.Reproduced {
		t.Errorf("a claim that held has the reason %q and verdict %q", c.Why, c.Verdict)
	}
	blank := whole.Judged(true, "")
	blank.Wants = ""
	if blank.Check() == nil {
		t.Error("a claim without a threshold passes")
	}
}
