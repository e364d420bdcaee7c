package own

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/kernel/launch/slot"
)

// patience is how long an engine may take to end its step, and the next to start.
const patience = 2 * time.Minute

// handOver puts this program into the kernel's slot and waits until it serves.
func handOver(s slot.Slot, socket, what string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own: %w", err)
	}
	from := logSize(s)
	p, err := s.Put(self)
	if err != nil {
		return fmt.Errorf("own: %w", err)
	}
	pid, err := await(s, p, socket, p.RunsAs, from)
	if err != nil {
		return errors.Join(err, s.Empty(p))
	}
	fmt.Printf("this engine serves the notebook now (pid %d): %s\n", pid, what)
	return nil
}

// giveBack empties the slot and waits until the stock engine serves.
func giveBack(s slot.Slot, socket string) error {
	p := s.Look()
	if p == nil {
		fmt.Println("the stock engine serves the notebook already")
		return nil
	}
	before, from := answers(socket), logSize(s)
	if err := s.Empty(p); err != nil {
		return fmt.Errorf("own: %w", err)
	}
	pid, err := await(s, nil, socket, func(pid int) bool { return pid != before }, from)
	if err == nil {
		fmt.Printf("the stock engine serves the notebook again (pid %d)\n", pid)
	}
	return err
}

// await waits for a process that is the next engine to answer at the socket, while the
// slot holds p.
func await(s slot.Slot, p *slot.Program, socket string, next func(pid int) bool, logFrom int64) (pid int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	told := time.AfterFunc(2*time.Second, func() {
		fmt.Fprintln(os.Stderr, "waiting for the engine to end its step and for the next to start ...")
	})
	defer told.Stop()
	for {
		if now := answers(socket); now != 0 && next(now) {
			return now, nil
		}
		if !p.Same(s.Look()) {
			return 0, errors.New("own: another program took the engine's place meanwhile; run this cell again if it is to be this one")
		}
		// It is started again and again, so the first end is worth telling.
		if _, after, ours := strings.Cut(logSince(s, logFrom), "launch: starting "+startOf(p)); ours && strings.Contains(after, "launch: engine ended") {
			return 0, fmt.Errorf("own: the program ended before it served; the stock engine takes over again. The end of its log:\n%s", tail(after))
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return 0, fmt.Errorf("own: no engine answers at %s after %v. The end of the log:\n%s", socket, patience, tail(logSince(s, logFrom)))
			}
			return 0, errors.New("own: interrupted while the engines change")
		case <-tick.C:
		}
	}
}

// startOf is what the launcher writes behind "starting" for a program.
func startOf(p *slot.Program) string {
	if p == nil {
		return ""
	}
	return p.Path
}

// answers returns the process that answers at the socket, 0 if none does.
func answers(socket string) int {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	resp, err := client.Get("http://engine/v1/version")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var hello wire.Hello
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&hello) != nil {
		return 0
	}
	return hello.PID
}

func logSize(s slot.Slot) int64 {
	info, err := os.Stat(s.Log())
	if err != nil {
		return 0
	}
	return info.Size()
}

// logSince is what the engine's log has gained; all of it where it was cut meanwhile.
func logSince(s slot.Slot, from int64) string {
	text, err := os.ReadFile(s.Log())
	if err != nil {
		return ""
	}
	if from <= int64(len(text)) {
		text = text[from:]
	}
	return string(bytes.ToValidUTF8(text, []byte("\ufffd")))
}

// tail is the end of a text, at most twenty lines.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
