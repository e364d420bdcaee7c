package soak

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"hhrlhf/rlhf/memory"
)

// A Report is what a soak has found.
type Report struct {
	Seed    uint64   `json:"seed"`
	Seconds float64  `json:"seconds"`
	Rounds  int      `json:"rounds"`
	Events  []Event  `json:"-"`
	Kinds   []Kind   `json:"kinds"`
	Engine  []Moment `json:"engine"` // at the end of each round
	Memory  Slope    `json:"memory"` // of the last engine's resident memory
	Faults  int      `json:"faults"`
}

// A Kind sums up the events of one kind.
type Kind struct {
	Kind     string  `json:"kind"`
	N        int     `json:"n"`
	Median   float64 `json:"median_s"` // until all was quiet
	Longest  float64 `json:"longest_s"`
	MaxAgain int     `json:"max_again"` // steps to be done again
	Faults   int     `json:"faults"`
}

// A Moment is what the processes have at the end of a round.
type Moment struct {
	At           float64 `json:"at"`
	Round        int     `json:"round"`
	PID          int     `json:"pid"` // of the engine
	RSS          int64   `json:"rss"` // bytes, of the engine
	Files        int     `json:"files"`
	LauncherRSS  int64   `json:"launcher_rss"`
	LauncherOpen int     `json:"launcher_files"`
	GonbRSS      int64   `json:"gonb_rss"`
}

// A Slope is that of a straight line through resident memory against time.
type Slope struct {
	N         int     `json:"n"`          // moments, those after the first two of an engine's life
	PerHour   float64 `json:"per_hour"`   // bytes
	Low       float64 `json:"low"`        // 95 %
	High      float64 `json:"high"`       // 95 %
	OfAverage float64 `json:"of_average"` // PerHour as a fraction of the average
}

// compare looks at a round that has ended: its runs, the disk, the engine.
func (s *soak) compare() Event {
	e := Event{Kind: "round", Run: fmt.Sprint(s.report.Rounds), Outcome: "equal to the straight runs"}
	fault := func(format string, a ...any) { e.Faults = append(e.Faults, fmt.Sprintf(format, a...)) }
	for _, kind := range kinds {
		name := runName(kind, s.report.Rounds)
		rec, err := read(s.disk.path, name)
		if err != nil {
			fault("%v", err)
			continue
		}
		e.Step = rec.step()
		if d := rec.equals(s.straight[kind]); d != "" {
			fault("%s: %s", name, d)
		}
	}
	k := s.kernel
	l, err := k.lab()
	if err != nil {
		fault("%v", err)
		return e
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, kind := range slices.Backward(kinds) {
		if err := l.With(ctx).Remove(runName(kind, s.report.Rounds)); err != nil {
			fault("%v", err)
		}
	}
	if left := s.disk.leftovers(); len(left) > 0 {
		fault("half made: %q", left)
	}
	m := s.moment(k)
	if i := slices.IndexFunc(s.report.Engine, func(o Moment) bool { return o.PID == m.PID }); i >= 0 && s.report.Engine[i].Files != m.Files {
		fault("the engine has %d files open, %d at the end of its first round: %q", m.Files, s.report.Engine[i].Files, files(m.PID))
	}
	s.report.Engine = append(s.report.Engine, m)
	if len(e.Faults) > 0 {
		e.Outcome = "not as it must be"
	}
	return e
}

func (s *soak) moment(k *kernel) Moment {
	// The connection of the last call is closed a moment after its answer.
	engine, launcher := k.one(theEngine), k.cmd.Process.Pid
	for last, deadline := -1, time.Now().Add(5*time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if n := len(files(engine)); n == last {
			break
		} else {
			last = n
		}
	}
	return Moment{At: time.Since(s.began).Seconds(), Round: s.report.Rounds, PID: engine, RSS: rss(engine), Files: len(files(engine)),
		LauncherRSS: rss(launcher), LauncherOpen: len(files(launcher)), GonbRSS: rss(k.one(theGonb))}
}

// rss is the resident memory of a process, 0 of one that has ended.
func rss(pid int) int64 {
	bytes, _ := memory.Held(pid)
	return bytes
}

// files lists what a process has open.
func files(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		if to, err := os.Readlink(dir + e.Name()); err == nil {
			all = append(all, to)
		}
	}
	return all
}

// finish sums up.
func (s *soak) finish() {
	r := s.report
	by := map[string][]Event{}
	for _, e := range r.Events {
		by[e.Kind] = append(by[e.Kind], e)
		r.Faults += len(e.Faults)
	}
	for _, kind := range append(s.disk.order(), "fault", "round") {
		es := by[kind]
		if len(es) == 0 {
			continue
		}
		k := Kind{Kind: kind, N: len(es)}
		var took []float64
		for _, e := range es {
			took = append(took, e.Took)
			k.MaxAgain = max(k.MaxAgain, e.Again)
			k.Faults += len(e.Faults)
		}
		slices.Sort(took)
		k.Median, k.Longest = took[len(took)/2], took[len(took)-1]
		r.Kinds = append(r.Kinds, k)
	}
	if r.Memory = slope(r.Engine); r.Memory.grows() {
		s.event(Event{Kind: "memory", Faults: []string{fmt.Sprintf("the engine's memory grows by %.0f MiB an hour", r.Memory.PerHour/(1<<20))}})
		r.Faults++
	}
}

// grows is whether memory is not flat: by more than a tenth in an hour, and by more than
// chance would have it.
func (s Slope) grows() bool { return s.N >= 8 && s.Low > 0 && s.OfAverage > 0.1 }

// warm is how many rounds an engine needs until it has compiled and cached what it will.
const warm = 2

// slope fits the resident memory of the last engine's rounds.
func slope(ms []Moment) (s Slope) {
	if len(ms) == 0 {
		return s
	}
	last := ms[len(ms)-1].PID
	var x, y []float64
	for _, m := range ms {
		if m.PID == last {
			x, y = append(x, m.At/3600), append(y, float64(m.RSS))
		}
	}
	x, y = x[min(warm, len(x)):], y[min(warm, len(y)):]
	s.N = len(x)
	n := float64(len(x))
	if n < 3 {
		return s
	}
	var mx, my, sxx, sxy, rest float64
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	s.PerHour = sxy / sxx
	for i := range x {
		d := y[i] - my - s.PerHour*(x[i]-mx)
		rest += d * d
	}
	half := quantile(len(x)-2) * math.Sqrt(rest/(n-2)/sxx)
	s.Low, s.High, s.OfAverage = s.PerHour-half, s.PerHour+half, s.PerHour/my
	return s
}

// quantile returns the 97.5 % quantile of Student's t with so many degrees of
// freedom, by its expansion about the normal one: to 2 % from 3 degrees on.
func quantile(degrees int) float64 {
	const z = 1.959964
	v := float64(degrees)
	return z + (z*z*z+z)/(4*v) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*v*v) + (3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*z*z*z-15*z)/(384*v*v*v)
}

// String is the table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %5s %10s %10s %12s %7s\n", "", "times", "median s", "longest s", "steps again", "faults")
	for _, k := range r.Kinds {
		fmt.Fprintf(&b, "%-10s %5d %10.1f %10.1f %12d %7d\n", k.Kind, k.N, k.Median, k.Longest, k.MaxAgain, k.Faults)
	}
	fmt.Fprintf(&b, "\n%d rounds in %s, seed %d, %d faults\n", r.Rounds, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.Seed, r.Faults)
	if n := len(r.Engine); n > 0 {
		m := r.Engine[n-1]
		fmt.Fprintf(&b, "last engine: %d MiB resident, %d files open; launcher %d MiB, %d files; gonb %d MiB\n",
			m.RSS>>20, m.Files, m.LauncherRSS>>20, m.LauncherOpen, m.GonbRSS>>20)
	}
	if m := r.Memory; m.N >= 3 {
		fmt.Fprintf(&b, "its memory: %+.1f MiB an hour (95 %%: %+.1f to %+.1f), %+.1f %% of the average, over %d rounds\n",
			m.PerHour/(1<<20), m.Low/(1<<20), m.High/(1<<20), 100*m.OfAverage, m.N)
	}
	return b.String()
}

// String is the event on one line, and its faults below.
func (e Event) String() string {
	again := ""
	if e.Again > 0 {
		again = fmt.Sprintf(", %d steps again", e.Again)
	}
	line := fmt.Sprintf("%7.1fs  %-9s %-8s step %3d%s, %.1fs: %s", e.At, e.Kind, e.Run, e.Step, again, e.Took, e.Outcome)
	for _, f := range e.Faults {
		line += "\n          FAULT " + f
	}
	return line
}

// All lists the faults, each with its event.
func (r Report) All() (all []string) {
	for _, e := range r.Events {
		for _, f := range e.Faults {
			all = append(all, fmt.Sprintf("%.1fs, %s of %s: %s", e.At, e.Kind, e.Run, f))
		}
	}
	return all
}
