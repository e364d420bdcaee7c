package notebooks_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/study"
)

// The committed report is that of `rlhf report -size small`, whole, of no machine in
// particular, and the README shows its table.
func TestReport(t *testing.T) {
	st, err := study.Read("report")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(st.Plan, study.Small()) {
		t.Errorf("report/plan.json is %+v, want the plan of -size small, %+v", st.Plan, study.Small())
	}
	var claims []study.Claim
	for _, s := range study.Sections {
		cs, err := s.Claims(st)
		if err != nil {
			t.Errorf("section %s: %v", s.Name, err)
		}
		claims = append(claims, cs...)
	}
	file := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var kept []study.Claim
	if err := json.Unmarshal([]byte(file("report/claims.json")), &kept); err != nil {
		t.Fatal(err)
	}
	same := func(a, b study.Claim) bool { return a.ID == b.ID && a.Ours == b.Ours && a.Verdict == b.Verdict }
	if !slices.EqualFunc(kept, claims, same) {
		t.Error("report/claims.json is not what report/measured says; run: rlhf report -size small -name study -o notebooks/report")
	}
	if !strings.Contains(file("../README.md"), file("report/REPORT.md")) {
		t.Error("the README's table is not report/REPORT.md")
	}
	paths, err := filepath.Glob("report/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if text := file(path); strings.Contains(text, "/home/") || strings.Contains(text, "/root/") || strings.Contains(text, "/tmp/") {
			t.Errorf("%s names a folder of the machine that it was made on", path)
		}
	}
}
