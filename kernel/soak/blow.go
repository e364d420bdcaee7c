package soak

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/proxy/proxytest"
)

// endsEngine are the blows that end the engine.
var endsEngine = map[string]bool{"engine": true, "launcher": true, "restart": true}

// patience is how long a cell may take to end after a blow, on a machine that is busy.
const patience = 3 * time.Minute

// blow strikes while a cell trains a run, waits until all is quiet and says what
// was lost.
func (s *soak) blow(kind string, k *kernel, id, stage, name string) Event {
	e := Event{Kind: kind, Run: name}
	fault := func(format string, a ...any) { e.Faults = append(e.Faults, fmt.Sprintf(format, a...)) }
	began := time.Now()
	before := k.family()
	engine := k.one(theEngine)
	var r proxytest.Result // of the cell
	end := func() {
		if r = k.Result(id, patience); r.Status == "" {
			fault("the cell has not ended %v later", patience)
		}
	}
	said := func(words ...string) {
		text := r.Stderr + fmt.Sprint(r.Error)
		for _, word := range words {
			if r.Status == "error" && !strings.Contains(text, word) {
				fault("the cell's error does not say %q: %s", word, tail(text))
			}
		}
	}
	interrupt := func() {
		k.Ask(proxytest.Control, "interrupt_request", map[string]any{}, "interrupt_reply")
		end()
		said("nterrupt") // Interrupted, where the cell was still being compiled
	}
	broken := func(free func(), err error) {
		if err != nil {
			fault("%v", err)
			return
		}
		end()
		said("no space left", s.disk.path, "remove runs")
		free()
	}
	kill := func(pid int) {
		if pid == 0 || unix.Kill(pid, unix.SIGKILL) != nil {
			e.Outcome = "there was none to kill; "
		}
	}
	switch kind {
	case "interrupt":
		interrupt()
	case "cell":
		var victim int
		if cells := before[theCell]; len(cells) > 0 {
			victim = cells[s.random.IntN(len(cells))]
		}
		if kill(victim); victim == 0 {
			interrupt()
		} else {
			e.Outcome += "killed " + base(cmdline(victim))
			end()
		}
	case "gonb":
		kill(before[theGonb][0])
		end()
		said("KernelDied")
	case "engine":
		kill(engine)
		ended := false
		for deadline := time.Now().Add(5 * time.Second); !ended && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			r, ended = k.poll(id)
		}
		if ended {
			said("engine")
		} else {
			e.Outcome += "the cell goes on with the next engine"
		}
	case "launcher", "restart":
		if kind == "launcher" {
			unix.Kill(-k.cmd.Process.Pid, unix.SIGKILL)
		} else {
			k.Ask(proxytest.Control, "shutdown_request", map[string]any{"restart": true}, "shutdown_reply")
		}
		r = k.Result(id, 0) // what had been printed
		if e.Faults = append(e.Faults, k.gone(20*time.Second)...); len(e.Faults) == 0 {
			e.Outcome = "no process and no file left"
		}
		s.forget()
	case "full":
		broken(s.disk.fill())
	case "limit":
		broken(limit(engine))
	case "slow":
		fast, err := s.disk.slow(engine)
		if err != nil {
			fault("%v", err)
			break
		}
		time.Sleep(time.Second + time.Duration(s.random.Int64N(int64(4*time.Second))))
		if s.disk.small {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if _, err := k.status(ctx); err != nil {
				fault("the engine does not answer while its disk is slow: %v", err)
			}
			cancel()
			interrupt()
		}
		if fast(); !s.disk.small {
			interrupt()
		}
	}
	if e.Outcome == "" || strings.HasSuffix(e.Outcome, "; ") {
		e.Outcome += outcome(r)
	}
	if s.kernel != nil && r.Status != "" {
		if kind != "engine" {
			if err := k.quiet(patience); err != nil {
				fault("%v", err)
			}
			if now := k.one(theEngine); now != engine {
				fault("engine %d became %d", engine, now)
			}
		}
		for _, pid := range k.left(before[theCell], 10*time.Second) {
			fault("process %d of the cell is left: %s", pid, cmdline(pid))
		}
	}
	s.lost(&e, stage, printed(r))
	e.Took = time.Since(began).Seconds()
	return e
}

// keeps are the blows after which the last step is in a checkpoint.
var keeps = map[string]bool{"interrupt": true, "cell": true, "gonb": true, "restart": true, "slow": true}

// lost reads the run that was hit and checks that nothing is lost of it.
func (s *soak) lost(e *Event, stage string, printed int) {
	rec, err := read(s.disk.path, e.Run)
	if err != nil {
		e.Faults = append(e.Faults, fmt.Sprintf("the run cannot be read: %v", err))
		return
	}
	e.Step, e.Again = rec.step(), rec.step()-rec.saved()
	if d := rec.begins(s.straight[stage]); d != "" {
		e.Faults = append(e.Faults, "the history is not the straight run's: "+d)
	}
	if rec.step() < printed {
		e.Faults = append(e.Faults, fmt.Sprintf("the cell printed step %d, the history ends with %d", printed, rec.step()))
	}
	if keeps[e.Kind] && e.Again != 0 && printed > 0 { // without a step there was nothing to keep
		e.Faults = append(e.Faults, fmt.Sprintf("the history ends with step %d, the newest checkpoint is of step %d", rec.step(), rec.saved()))
	}
	if rec.ck != nil && rec.ck.Skipped != nil {
		e.Faults = append(e.Faults, fmt.Sprintf("a checkpoint was not whole: %v", rec.ck.Skipped))
	}
}

// outcome words how a cell ended.
func outcome(r proxytest.Result) string {
	text := strings.TrimSpace(r.Stderr)
	switch {
	case r.Status == "ok":
		return "the cell was done"
	case text == "":
		return fmt.Sprint(r.Error["ename"], ": ", r.Error["evalue"])
	}
	return tail(text)
}

// tail returns the first line of a cell's error that says something, shortened.
func tail(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			if r := []rune(line); len(r) > 300 {
				line = string(r[:300]) + "…"
			}
			return line
		}
	}
	return ""
}

func base(cmdline string) string {
	first, _, _ := strings.Cut(cmdline, " ")
	return first[strings.LastIndexByte(first, os.PathSeparator)+1:]
}
