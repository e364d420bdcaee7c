package show

import (
	"errors"
	"fmt"
	"strings"

	"hhrlhf/rlhf/study"
)

// Reported shows what a committed study has measured of a section, draw its figures and
// [Claims] the verdicts; or says that it has not been measured. dir is the folder that
// rlhf report -o has written.
//
//	show.Reported("report", study.Robustness, show.Robustness)
func Reported[R interface{ Claims() []study.Claim }](dir string, measure func(*study.Study) (R, error), draw func(R)) {
	st, err := study.Read(dir)
	if err != nil {
		fail(err)
		return
	}
	r, err := measure(st)
	switch {
	case errors.Is(err, study.ErrNotMeasured):
		show(output{markdown: "*The report has not measured this yet.*", text: "The report has not measured this yet.\n"})
	case err != nil:
		fail(err)
	default:
		draw(r)
		Claims(r.Claims())
	}
}

// Claims shows claims of the paper, what was measured of each, and the verdict.
func Claims(claims []study.Claim) {
	t := &table{heads: [][]cell{heads("section", "the paper says", "measured", "wanted", "verdict")}}
	for _, c := range claims {
		says := c.Says
		if c.Paper != "" {
			says += " (" + c.Paper + ")"
		}
		verdict := strings.ToUpper(string(c.Verdict))
		if c.Why != "" {
			verdict += ": " + c.Why
		}
		ours := c.Ours
		if c.Seeds > 1 && !strings.Contains(ours, "seeds") {
			ours = strings.TrimSpace(fmt.Sprintf("%s, %d seeds", ours, c.Seeds))
		}
		t.rows = append(t.rows, []cell{{text: c.Section}, {text: says}, {text: ours}, {text: c.Wants}, {text: verdict}})
	}
	show(t.output())
}
