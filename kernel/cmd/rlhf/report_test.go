package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"hhrlhf/rlhf/study"
)

// What is wrong with a command line is said before anything is trained; an interrupted
// study says that it can be gone on with. (kernel/report goes through a whole one.)
func TestReport(t *testing.T) {
	dir := t.TempDir()
	for line, want := range map[string]string{
		"-size enormous":             `"enormous"`,
		"-only robustness,xyz":       `"xyz"; there are models, preferences`,
		"-size tiny -name ../x":      "../x",
		"-size tiny -o /proc/x/none": "/proc/x/none",
	} {
		d := realDesk(t, dir, "")
		if err := reportCommandOn(d.shell).run(t.Context(), strings.Fields(line), &d.err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", line, err, want)
		}
	}
	d := realDesk(t, dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	d.shell.err = &interrupter{after: "measuring models-r0-s1", cancel: cancel}
	err := reportCommandOn(d.shell).run(ctx, []string{"-size", "tiny", "-only", "models"}, &d.err)
	if err == nil || !strings.Contains(err.Error(), "what is done is kept") {
		t.Errorf("interrupted: %v", err)
	}
	d = realDesk(t, dir, "")
	err = reportCommandOn(d.shell).run(t.Context(), []string{"-size", "small", "-name", "report-tiny"}, &d.err)
	if err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("another plan: %v", err)
	}
}

func TestPrintClaims(t *testing.T) {
	var b bytes.Buffer
	c := study.Claim{ID: "x", Section: "4.3", Says: "the claim", Ours: "0.93 (0.9 to 0.96)"}
	if err := printClaims(&b, []study.Claim{c.Judged(true, ""), c.Judged(false, "it is lower"), c.Beyond("too small")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"reproduced      4.3      the claim", "0.93 (0.9 to 0.96)", "it is lower", "too small", "3 claims: 1 reproduced, 1 not, 1 out of reach"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
