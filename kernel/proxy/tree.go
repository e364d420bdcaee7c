package proxy

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one entry of /proc. Its start time tells it from a later
// process with the same number.
type process struct {
	pid, ppid, group int
	start            string
}

// processes lists what runs now; zombies are left out.
func processes() []process {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []process
	for _, name := range names {
		if p, ok := readStat(name); ok {
			out = append(out, p)
		}
	}
	return out
}

func readStat(name string) (process, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return process{}, false
	}
	// pid (comm) state ppid ...; comm may hold spaces and parentheses.
	i := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return process{}, false
	}
	pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(name)))
	ppid, err2 := strconv.Atoi(f[1])
	group, err3 := strconv.Atoi(f[2])
	return process{pid, ppid, group, f[19]}, err1 == nil && err2 == nil && err3 == nil
}

// alive reports whether the very process still runs.
func (p process) alive() bool {
	now, ok := readStat("/proc/" + strconv.Itoa(p.pid) + "/stat")
	return ok && now.start == p.start
}

// signal sends sig to the process unless it has ended.
func (p process) signal(sig unix.Signal) {
	if p.alive() {
		unix.Kill(p.pid, sig)
	}
}

// arg0 returns the name that the process was started under.
func (p process) arg0() string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	name, _, _ := strings.Cut(string(b), "\x00")
	return name
}

// wraps reports whether p is a cell's program that a wrapper runs under its own
// name (package launch does so): a wrapper passes the signals on that it gets.
// A subshell is no such thing, though it has its shell's name too.
func (p process) wraps(child process) bool {
	name := p.arg0()
	return strings.HasPrefix(filepath.Base(name), "gonb_") && child.arg0() == name
}

// names reports whether the process's program, or the script that it
// interprets, has one of the base names.
func (p process) names(bases ...string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	if err != nil {
		return false
	}
	args := strings.SplitN(string(b), "\x00", 3)
	for _, arg := range args[:min(2, len(args))] {
		for _, base := range bases {
			if filepath.Base(arg) == base {
				return true
			}
		}
	}
	return false
}

// cellTrees returns the process trees of the running cell by their root, the
// root first: those below gonb, and those of gonb's process group whose parent
// has died, unless an earlier cell left them (before). gopls, which serves all
// cells, has a group of its own.
func cellTrees(gonb int, before map[int]string) map[process][]process {
	children := map[int][]process{}
	all := processes()
	for _, p := range all {
		children[p.ppid] = append(children[p.ppid], p)
	}
	roots := children[gonb]
	for _, p := range orphans(all, gonb) {
		if before[p.pid] != p.start {
			roots = append(roots, p)
		}
	}
	trees := map[process][]process{}
	for _, root := range roots {
		if root.names("gopls") {
			continue
		}
		tree := []process{root}
		for i := 0; i < len(tree); i++ {
			tree = append(tree, children[tree[i].pid]...)
		}
		trees[root] = tree
	}
	return trees
}

// orphans returns the processes of gonb's group whose parent is not in it; none
// if gonb leads no group.
func orphans(all []process, gonb int) []process {
	member := map[int]bool{}
	for _, p := range all {
		if p.group == gonb {
			member[p.pid] = true
		}
	}
	var out []process
	for _, p := range all {
		if p.group == gonb && p.pid != gonb && !member[p.ppid] {
			out = append(out, p)
		}
	}
	return out
}

// leftBehind records what earlier cells left running, by start time.
func leftBehind(gonb int) map[int]string {
	m := map[int]string{}
	for _, p := range orphans(processes(), gonb) {
		m[p.pid] = p.start
	}
	return m
}

// interrupt ends what the running cell does: SIGINT to gonb, which passes it to
// the program or shell that it waits for and then runs no more Go of the cell,
// and to everything below. gonb does not pass it to the Go tools, nor does it
// stop before the cell's next shell line: what it starts until done is closed is
// signalled too. After grace, what is left of all these is killed.
//
// A program is signalled once, because one that ends in an orderly way at the
// first SIGINT would die of a second. A shell gets gonb's and one from here,
// before its children get theirs: it goes on with its next command if it sees a
// child die of a SIGINT that it has not seen itself.
//
// leave is called when nothing more will be looked for, at the latest soon after
// done is closed: the next cell must not start before.
func interrupt(gonb int, before map[int]string, done <-chan struct{}, leave func(), grace time.Duration) {
	const poll = 20 * time.Millisecond
	deadline := time.Now().Add(grace)
	seen := map[process]bool{} // by pid and start time alone: a parent may die
	key := func(p process) process { return process{pid: p.pid, start: p.start} }
	signalNew := func(byGonb bool) {
		for root, tree := range cellTrees(gonb, before) {
			known, shell := seen[key(root)], root.names("bash", "sh")
			for _, p := range tree {
				if seen[key(p)] {
					continue
				}
				seen[key(p)] = true
				switch {
				case known && !shell: // started by a program that was signalled: to clean up
				case p == root && p.ppid == gonb && byGonb && !shell && !root.names("go", "goimports"):
				case p.ppid == root.pid && root.wraps(p):
				default:
					p.signal(unix.SIGINT)
				}
			}
		}
	}
	unix.Kill(gonb, unix.SIGINT)
	signalNew(true)
	for running := true; running; {
		select {
		case <-done:
			running = false
			continue
		default:
		}
		signalNew(false)
		if time.Now().After(deadline) {
			kill(seen)
		}
		select {
		case <-done:
		case <-time.After(poll):
		}
	}
	leave()
	// What ignores SIGINT in the background has its time to end.
	for anyAlive(seen) && time.Now().Before(deadline) {
		time.Sleep(poll)
	}
	kill(seen)
}

func kill(ps map[process]bool) {
	for p := range ps {
		p.signal(unix.SIGKILL)
	}
}

func anyAlive(ps map[process]bool) bool {
	for p := range ps {
		if p.alive() {
			return true
		}
	}
	return false
}
