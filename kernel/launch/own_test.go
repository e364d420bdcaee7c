package launch_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/launch/slot"
	. "hhrlhf/kernel/proxy/proxytest"
)

// TestOwnEngine puts programs into the kernel's slot: each takes the engine's place, on the
// same socket, comes back when it is killed, and leaves with the kernel.
func TestOwnEngine(t *testing.T) {
	k := start(t)
	socket := strings.TrimSpace(k.Run("!echo $RLHF_ENGINE_SOCK").Stdout)
	log := strings.TrimSpace(k.Run("!echo $RLHF_ENGINE_LOG").Stdout)
	pid := func() int { // of who answers, 0 if nobody does
		c, err := net.Dial("unix", socket)
		if err != nil {
			return 0
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return n
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	until("the stock engine", func() bool { return pid() != 0 })
	stock := pid()
	s, found, err := slot.Beside(socket)
	if err != nil || !found {
		t.Fatalf("slot: %v, %v", found, err)
	}
	put := func(path string) *slot.Program {
		t.Helper()
		p, err := s.Put(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	first := put(os.Args[0])
	until("the own engine", func() bool { return first.RunsAs(pid()) })
	if alive(stock) {
		t.Error("the stock engine lives on")
	}
	was := pid()
	unix.Kill(was, unix.SIGKILL)
	until("the own engine after its death", func() bool { n := pid(); return n != was && first.RunsAs(n) })

	second := put(os.Args[0])
	until("another own engine", func() bool { return second.RunsAs(pid()) })
	if first.RunsAs(pid()) {
		t.Error("one program is two")
	}
	if err := s.Empty(first); err != nil || s.Look() == nil { // which is no longer there
		t.Errorf("the second program left with the first: %v", err)
	}

	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho today not\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := put(bad)
	until("the end of a broken engine", func() bool {
		b, _ := os.ReadFile(log)
		return strings.Contains(string(b), "today not") && strings.Contains(string(b), "engine ended: exit status 3")
	})
	if err := s.Empty(broken); err != nil {
		t.Fatal(err)
	}
	until("the stock engine again", func() bool { return pid() != 0 })
	if n := pid(); first.RunsAs(n) || second.RunsAs(n) || k.find("own/engine") != 0 {
		t.Errorf("engine %d, processes %q", n, k.family())
	}

	put(os.Args[0])
	until("an own engine at the end", func() bool { return k.find("own/engine") != 0 && pid() != 0 })
	k.Ask(Control, "shutdown_request", map[string]any{"restart": true}, "shutdown_reply")
	if err := k.gone(10 * time.Second); err != nil {
		t.Errorf("launcher ended with %v", err)
	}
}

func alive(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// A killed launcher takes an own engine with it.
func TestOwnEngineOfAKilledKernel(t *testing.T) {
	k := start(t)
	socket := strings.TrimSpace(k.Run("!echo $RLHF_ENGINE_SOCK").Stdout)
	s, _, err := slot.Beside(socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(os.Args[0]); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); k.find("own/engine") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no own engine within a minute")
		}
	}
	unix.Kill(k.cmd.Process.Pid, unix.SIGKILL)
	if err := k.gone(20 * time.Second); err == nil {
		t.Error("a killed launcher ends well")
	}
}
