package rlhf

import "time"

// Status is a lab at a glance.
type Status struct {
	Backend string `json:"backend"` // as GOMLX_BACKEND names it
	Device  string `json:"device"`  // the backend's own description
	Busy    string `json:"busy"`    // what runs on the device now, "" if idle
	Waiting int    `json:"waiting"` // calls in line for the device
	// Job is what Busy words, nil if idle; Line are those who wait, first come first.
	Job  *Job  `json:"job,omitempty"`
	Line []Job `json:"line,omitempty"`
	// Watchers look on at a run without taking the device.
	Watchers []Watcher `json:"watchers,omitempty"`
	Since    time.Time `json:"since"` // start of the process that holds the models
	PID      int       `json:"pid"`   // of it
	RSSBytes int64     `json:"rss_bytes"`
	// FreeBytes is what the host's memory still takes, 0 where the system does not tell;
	// DeviceBytes what the models in memory hold of the device's. On a CPU they are the
	// same memory, and a backend's own working memory is in neither.
	FreeBytes   int64    `json:"free_bytes,omitempty"`
	DeviceBytes int64    `json:"device_bytes,omitempty"`
	Models      []Loaded `json:"models"` // what is in memory, first loaded first
	// Runs are those on disk, oldest first.
	Runs    []RunState `json:"runs"`
	Dir     string     `json:"dir"`     // where the runs are
	Version string     `json:"version"` // build of the process that holds the models
	// Socket and Name are those of the engine, "" in process.
	Socket string `json:"socket,omitempty"`
	Name   string `json:"name,omitempty"`
}

// A Job is one call on the device, or in line for it.
type Job struct {
	Run    string        `json:"run"`
	What   string        `json:"what"`           // such as "training" or "rollout"
	Client string        `json:"client"`         // who asked, "" in process
	Step   int           `json:"step,omitempty"` // of a stretch of steps: those done
	Of     int           `json:"of,omitempty"`   // and where it ends
	Left   time.Duration `json:"left,omitempty"` // estimate of the time to Of, 0 if there is none yet
	Since  time.Time     `json:"since"`          // when it began, or got in line
}

// A Watcher looks on at a run.
type Watcher struct {
	Run    string `json:"run"`
	Client string `json:"client"` // "" in process
}

// A Loaded is a model, or a run with all its models, in memory.
type Loaded struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // of its weights and optimiser states on the device
}

// A RunState is a run in one line.
type RunState struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	State   string `json:"state"` // one of the States
	Step    int    `json:"step"`
	Planned int    `json:"planned"`
	// Metric names the figure that sums up a run of the kind, and Value is its newest one.
	Metric string  `json:"metric,omitempty"`
	Value  float64 `json:"value,omitempty"`
}

// States of a run.
const (
	StateBusy    = "busy"    // a call on it has the device
	StateWaiting = "waiting" // a call on it is in line
	StateDone    = "done"    // it has its planned steps
	StateStopped = "stopped" // it has some of them
	StateNew     = "new"     // it has none
	StateBroken  = "broken"  // its files cannot be read; opening it says why
)

// InUse reports whether a call has the run, or waits to.
func (r RunState) InUse() bool { return r.State == StateBusy || r.State == StateWaiting }

// Headline names the metric that sums up a run of a kind, "" if there is none.
func Headline(kind string) string {
	return map[string]string{"lm": "lm/loss", "distill": "distill/kl", "pm": "pm/accuracy", "ppo": "objective/score"}[kind]
}

// StateOf is the state of a run that is not in use.
func StateOf(step, planned int) string {
	switch {
	case step >= planned:
		return StateDone
	case step > 0:
		return StateStopped
	}
	return StateNew
}

// SetBusy puts the states of the runs in use in place of those at rest.
func (s *Status) SetBusy() {
	state := map[string]string{}
	for _, j := range s.Line {
		state[j.Run] = StateWaiting
	}
	if s.Job != nil {
		state[s.Job.Run] = StateBusy
	}
	for i, r := range s.Runs {
		if now := state[r.Name]; now != "" {
			s.Runs[i].State = now
		}
	}
}
