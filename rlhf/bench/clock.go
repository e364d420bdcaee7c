package bench

import (
	"context"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Stats sums up the samples of a phase, in seconds. Its JSON has the names that
// the scripts of other implementations print.
type Stats struct {
	Seconds float64 `json:"s"`       // the figure to quote: median of the clean samples, else the minimum of all
	Clean   int     `json:"n_clean"` // samples during which others used less than CleanCores
	N       int     `json:"n"`
	Min     float64 `json:"min"`
	Median  float64 `json:"median"`
	Max     float64 `json:"max"`
	CPU     float64 `json:"cpu"`         // median processor time of this process, user and system, over all cores
	Others  float64 `json:"other_cores"` // median of the cores that other processes used
}

// CleanCores is how many cores others may use during a clean sample.
const CleanCores = 0.10

// Sample is one execution of a phase, in seconds: by the clock, of this process's
// processor time, and of everybody else's.
type Sample struct{ Wall, CPU, Others float64 }

func (s Sample) clean() bool { return s.Others <= 0.011 || s.Others/s.Wall < CleanCores }

// Summarize computes the statistics of at least one sample.
func Summarize(samples []Sample) Stats {
	column := func(f func(Sample) float64, keep func(Sample) bool) []float64 {
		var out []float64
		for _, s := range samples {
			if keep(s) {
				out = append(out, f(s))
			}
		}
		slices.Sort(out)
		return out
	}
	all := func(Sample) bool { return true }
	wall := func(s Sample) float64 { return s.Wall }
	walls, clean := column(wall, all), column(wall, Sample.clean)
	st := Stats{Clean: len(clean), N: len(walls), Min: walls[0], Median: median(walls), Max: walls[len(walls)-1],
		CPU:    median(column(func(s Sample) float64 { return s.CPU }, all)),
		Others: median(column(func(s Sample) float64 { return s.Others / s.Wall }, all))}
	st.Seconds = st.Min
	if len(clean) > 0 {
		st.Seconds = median(clean)
	}
	return st
}

// median of sorted values.
func median(v []float64) float64 {
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// Options say how long to measure.
type Options struct {
	Clean int // clean samples wanted; 0: 5
	Most  int // samples at most; 0: four times Clean
	// Report, unless nil, is told of every sample: the phase, how many there are and
	// how many there will be at most.
	Report func(phase string, n, most int, last Sample)
}

func (o Options) filled() Options {
	if o.Clean == 0 {
		o.Clean = 5
	}
	if o.Most == 0 {
		o.Most = 4 * o.Clean
	}
	if o.Report == nil {
		o.Report = func(string, int, int, Sample) {}
	}
	return o
}

// repeat measures a phase: once to compile, once to warm up, then until there are
// enough clean samples.
func (o Options) repeat(ctx context.Context, phase string, f func() error) (st Stats, compile float64, err error) {
	o = o.filled()
	start := time.Now()
	if err := f(); err != nil {
		return st, 0, err
	}
	first := time.Since(start).Seconds()
	if err := f(); err != nil {
		return st, 0, err
	}
	var samples []Sample
	clean := 0
	for len(samples) < o.Most && clean < o.Clean {
		if err := ctx.Err(); err != nil {
			return st, 0, err
		}
		clock := now()
		if err := f(); err != nil {
			return st, 0, err
		}
		s := clock.lap()
		samples = append(samples, s)
		if s.clean() {
			clean++
		}
		o.Report(phase, len(samples), o.Most, s)
	}
	st = Summarize(samples)
	return st, math.Max(0, first-st.Median), nil
}

// clock is a moment: by the wall, in own processor time, and in everybody's.
type clock struct {
	wall      time.Time
	own, busy float64
}

func now() clock { return clock{time.Now(), processorTime(), machineTime()} }

// lap is what happened since.
func (c clock) lap() Sample {
	n := now()
	own := n.own - c.own
	return Sample{Wall: n.wall.Sub(c.wall).Seconds(), CPU: own, Others: math.Max(0, n.busy-c.busy-own)}
}

// processorTime is what this process has used so far, user and system, in seconds.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// machineTime is what all processes have used so far, in seconds; 0 where the
// system does not tell, and then every sample is clean.
func machineTime() float64 {
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	total := 0.0
	for i, f := range fields {
		// cpu user nice system idle iowait irq softirq steal: all but idle and iowait.
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseFloat(f, 64)
		total += n
	}
	const hertz = 100 // of the kernel's accounting, on every Linux that Go supports
	return total / hertz
}

// peakMemory is the highest resident memory of the process in MiB, 0 where the
// system does not tell.
func peakMemory() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kb, 64)
	return n / 1024
}
