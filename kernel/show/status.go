package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
)

// runsShown is the number of runs that Status lists: those in use and the newest.
const runsShown = 12

// Status shows what the lab is and does: who has the device and who waits for it, what
// is in memory, and the runs on disk.
//
//	show.Status(lab.Must(s.Status()))
func Status(s rlhf.Status) {
	parts := []*table{stateOfLab(s)}
	if len(s.Models) > 0 {
		parts = append(parts, modelsInMemory(s))
	}
	if len(s.Runs) > 0 {
		parts = append(parts, stateOfRuns(s))
	}
	var out output
	for i, t := range parts {
		o := t.output()
		out.html += o.html
		if i > 0 {
			out.text += "\n"
		}
		out.text += o.text
	}
	show(out)
}

func stateOfLab(s rlhf.Status) *table {
	t := &table{heads: [][]cell{heads(cmp.Or(s.Name, "lab"), "")}}
	row := func(name, value string) {
		if value != "" {
			t.rows = append(t.rows, []cell{{text: name}, {text: value}})
		}
	}
	switch {
	case s.Job != nil:
		row("doing", jobLine(*s.Job))
	default:
		row("doing", cmp.Or(s.Busy, "nothing: idle"))
	}
	for i, j := range s.Line {
		row(fmt.Sprintf("waiting, %d.", i+1), jobLine(j))
	}
	for _, w := range s.Watchers {
		row("watching", strings.TrimSuffix(w.Run+" · "+w.Client, " · "))
	}
	if strings.Contains(s.Device, s.Backend) {
		row("device", s.Device)
	} else {
		row("backend", s.Backend)
		row("device", s.Device)
	}
	sizes := []string{memory.Text(s.RSSBytes) + " in the process"}
	if s.DeviceBytes > 0 {
		sizes = append(sizes, memory.Text(s.DeviceBytes)+" of models on the device")
	}
	if s.FreeBytes > 0 {
		sizes = append(sizes, memory.Text(s.FreeBytes)+" free on the host")
	}
	row("memory", strings.Join(sizes, " · "))
	if !s.Since.IsZero() {
		row("up", fmt.Sprintf("%s, since %s", clock(time.Since(s.Since)), s.Since.Local().Format(time.DateTime)))
	}
	if s.PID != 0 {
		row("process", strings.TrimSuffix(fmt.Sprintf("%d · %s", s.PID, s.Version), " · "))
	}
	row("socket", s.Socket)
	row("runs in", s.Dir)
	return t
}

// jobLine words a job: "ppo-1 · step 37 of 200 · 1:05 left · pid 123 of 09_ppo_run".
func jobLine(j rlhf.Job) string {
	parts := []string{j.Run, j.What}
	if j.Of > 0 {
		parts[1] = fmt.Sprintf("step %d of %d", j.Step, j.Of)
	}
	if j.Left > 0 {
		parts = append(parts, clock(j.Left)+" left")
	}
	parts = append(parts, j.Client)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

func modelsInMemory(s rlhf.Status) *table {
	t := &table{heads: [][]cell{heads("in memory", "weights and optimiser")}}
	for _, m := range s.Models {
		t.rows = append(t.rows, []cell{{text: m.Name}, {text: memory.Text(m.Bytes), right: true}})
	}
	return t
}

func stateOfRuns(s rlhf.Status) *table {
	t := &table{heads: [][]cell{heads("run", "kind", "state", "steps", "newest figure")}}
	hidden := 0
	for i := len(s.Runs) - 1; i >= 0; i-- {
		r := s.Runs[i]
		if len(t.rows) >= runsShown && !r.InUse() {
			hidden++
			continue
		}
		figure := cell{right: true}
		if r.Metric != "" {
			figure.text = r.Metric + " " + number(r.Value)
		}
		state := cell{text: r.State}
		if r.InUse() {
			state.style = "font-weight:bold;"
		}
		t.rows = append(t.rows, []cell{{text: r.Name}, {text: r.Kind}, state, {text: fmt.Sprintf("%d of %d", r.Step, r.Planned), right: true}, figure})
	}
	if hidden > 0 {
		t.foot = fmt.Sprintf("and %d older ones: show.Runs lists all", hidden)
	}
	return t
}
