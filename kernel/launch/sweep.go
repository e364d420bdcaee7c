package launch

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// sweep ends every process that was started with mark ("name=value") in its
// environment: SIGTERM, and SIGKILL after grace to what is left. It returns
// when none runs.
func sweep(mark string, grace time.Duration) {
	deadline := time.Now().Add(grace)
	told := map[int]bool{}
	for quiet := 0; quiet < 2; {
		pids := marked(mark)
		if len(pids) == 0 {
			// Once more: a process in the middle of exec shows no environment.
			quiet++
			time.Sleep(2 * time.Millisecond)
			continue
		}
		quiet = 0
		for _, pid := range pids {
			if time.Now().After(deadline) {
				unix.Kill(pid, unix.SIGKILL)
			} else if !told[pid] {
				told[pid] = true
				unix.Kill(pid, unix.SIGTERM)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// marked lists the processes with mark in their environment, zombies and this
// process excepted.
func marked(mark string) []int {
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, name := range names {
		env, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
