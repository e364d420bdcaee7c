package report_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/report"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pjrt"
	"hhrlhf/rlhf/study"
)

// The whole study at its tiny size: every section measures something, draws something and
// judges its claims, a second pass measures nothing anew, and the page stands alone.
func TestTinyReport(t *testing.T) {
	if testing.Short() {
		t.Skip("trains some fifty models for minutes; -short is set")
	}
	begun := time.Now()
	// At this size most of the time is compilation, and most of that is XLA's optimizer.
	t.Setenv("XLA_FLAGS", strings.TrimSpace(os.Getenv("XLA_FLAGS")+" --xla_backend_optimization_level=0"))
	spec, err := pjrt.Backend(t.Context(), t.Output())
	if err != nil {
		t.Skipf("no XLA: %v", err)
	}
	runs := t.TempDir()
	lab, err := local.Open(local.Options{Dir: runs, Backend: spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	st, err := study.Open(lab, "tiny", study.Tiny(), study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range study.Sections {
		at := time.Now()
		if _, err := s.Claims(st); err != nil {
			t.Fatalf("section %s: %v", s.Name, err)
		}
		t.Logf("%-14s %v", s.Name, time.Since(at).Round(time.Second))
	}
	infos, err := st.Runs()
	if err != nil {
		t.Fatal(err)
	}
	path, err := report.Write(st, infos)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runs, %v in all", len(infos), time.Since(begun).Round(time.Second))

	text := read(t, path)
	var claims []study.Claim
	if err := json.Unmarshal([]byte(read(t, filepath.Join(st.Dir(), "claims.json"))), &claims); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range claims {
		if seen[c.ID] {
			t.Errorf("two claims are called %q", c.ID)
		}
		seen[c.ID] = true
		if !strings.Contains(text, fmt.Sprintf("<tr id=%q>", c.ID)) {
			t.Errorf("claim %q is not in the page", c.ID)
		}
	}
	if strings.Contains(text, "not measured yet") {
		t.Error("the page misses a section")
	}
	parts := strings.Split(text, `<h2 id="section-`)[1:]
	if len(parts) != len(study.Sections) {
		t.Errorf("%d parts, want %d", len(parts), len(study.Sections))
	}
	for i, part := range parts {
		if !strings.Contains(part, "<img src=\"data:image/png;base64,") {
			t.Errorf("section %s has no picture", study.Sections[i].Name)
		}
	}
	alone(t, text)
	_, plugin, _ := strings.Cut(spec, ":")
	err = filepath.WalkDir(st.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if text := read(t, path); strings.Contains(text, runs) || strings.Contains(text, filepath.Dir(plugin)) {
				t.Errorf("%s has a path of this machine in it", d.Name())
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// elsewhere finds what a page could fetch or run.
var elsewhere = regexp.MustCompile(`(?i)<script|<iframe|<object|<svg|javascript:|(src|href)="(https?:)?//|\son\w+="|@import|url\(`)

func alone(t *testing.T, text string) {
	t.Helper()
	if bad := elsewhere.FindString(text); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if !strings.Contains(text, `Content-Security-Policy" content="default-src 'none'`) {
		t.Error("the page has no policy against fetching")
	}
}

func TestElsewhere(t *testing.T) {
	for _, bad := range []string{`<SCRIPT>`, `<img src="https://x/y.png">`, `<p onclick="x">`, `<a href="//x">`} {
		if !elsewhere.MatchString(bad) {
			t.Errorf("%s passes", bad)
		}
	}
}

// A table of verdicts is Markdown whatever is in it.
func TestTable(t *testing.T) {
	got := report.Table([]study.Claim{{Section: "4.3", Says: "a | b\nc", Ours: "1.0", Why: "too small", Verdict: study.OutOfReach}})
	if want := `| 4.3 | a \| b c | 1.0 (too small) | out of reach |`; !strings.Contains(got, want) || strings.Count(got, "\n") != 3 {
		t.Errorf("got\n%s\nwant a row\n%s", got, want)
	}
}

// A study of which nothing is measured has a page that says so, and runs that are gone
// stay in its list.
func TestNothingMeasured(t *testing.T) {
	dir := t.TempDir()
	plan, err := json.Marshal(study.Tiny())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), plan, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := study.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, runs := range [][]rlhf.RunInfo{{{Name: "a", Config: []byte("{}")}, {Name: "b", Config: []byte("{}")}}, {{Name: "b", Step: 7, Config: []byte("{}")}, {Name: "c", Config: []byte("{}")}}} {
		if _, err := report.Write(st, runs); err != nil {
			t.Fatal(err)
		}
	}
	var kept []struct {
		Name string
		Step int
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "runs.json"))), &kept); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(kept); got != "[{a 0} {b 7} {c 0}]" {
		t.Errorf("runs.json has %s", got)
	}
	text := read(t, filepath.Join(dir, "index.html"))
	if n := strings.Count(text, "not measured yet"); n != len(study.Sections) {
		t.Errorf("%d sections say that they are not measured, want %d", n, len(study.Sections))
	}
	alone(t, text)
}
