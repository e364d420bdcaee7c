package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"hhrlhf/kernel/engine/socket"
)

// parts are the logs that a kernel has, and that rlhf logs knows by name.
var parts = []string{"engine", "gonb", "kernel"}

func logsCommand() command {
	return command{
		name: "logs", args: "[engine|gonb|kernel] [name or pid]", maxArgs: 2,
		short: "print or follow the log of an engine or a kernel",
		long: `
Without a name the one that runs is meant; of several, name one as rlhf ps does.
A kernel has three logs: the engine's, gonb's and its own. They go with the kernel.

  rlhf logs                      the engine's last lines
  rlhf logs -f 09_ppo_run        and those that follow, until Ctrl-C
  rlhf logs gonb 4711            gonb's, of the kernel 4711
  rlhf logs -n 0 engine          all of it

An engine that you have started yourself logs to its standard error; where that is a
file, it is found.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			follow := fs.Bool("f", false, "go on with what is written from now on")
			lines := fs.Int("n", 30, "how `many` lines of what is there; 0 is all")
			asJSON := fs.Bool("json", false, "print a JSON object a line, {\"log\":path,\"line\":text}")
			return func(ctx context.Context, args []string) error {
				if *lines < 0 {
					return fmt.Errorf("logs: -n %d, want 0 or more", *lines)
				}
				path, err := findLog(args)
				if err != nil {
					return fmt.Errorf("logs: %w", err)
				}
				print := func(line []byte) error { _, err := os.Stdout.Write(append(line, '\n')); return err }
				if *asJSON {
					print = func(line []byte) error {
						return printJSON(os.Stdout, map[string]string{"log": path, "line": string(line)})
					}
				}
				err = printLog(ctx, path, *lines, *follow, print)
				if ctx.Err() != nil && *follow {
					return nil
				}
				return err
			}
		},
	}
}

// findLog finds the log that the arguments name.
func findLog(args []string) (string, error) {
	part, name := "engine", ""
	for _, a := range args {
		if slices.Contains(parts, a) {
			part = a
		} else {
			name = a
		}
	}
	found, err := engines()
	if err != nil {
		return "", err
	}
	logs := map[string]string{} // path by who has it
	for _, e := range found {
		if part == "engine" && !e.Stale && (name == "" || e.Is(name)) {
			path, err := engineLog(e)
			if err != nil {
				return "", err
			}
			logs[fmt.Sprintf("%s (pid %d)", e.Name, e.PID)] = path
		}
	}
	for _, k := range socket.Kernels() {
		if _, err := os.Stat(k.Logs[part]); err != nil {
			continue // a kernel that uses another's engine has no log of one
		}
		own := slices.ContainsFunc(found, func(e socket.Engine) bool { return e.Kernel != nil && e.Kernel.PID == k.PID && !e.Stale })
		if (part != "engine" || !own) && (name == "" || name == notebookName(k) || name == strconv.Itoa(k.PID)) {
			logs[fmt.Sprintf("%s (pid %d)", notebookName(k), k.PID)] = k.Logs[part]
		}
	}
	switch {
	case len(logs) == 1:
		for _, path := range logs {
			return path, nil
		}
	case len(logs) == 0 && name != "":
		return "", fmt.Errorf("nothing with a log of %s is called %q: rlhf ps lists what runs", part, name)
	case len(logs) == 0:
		return "", fmt.Errorf("nothing with a log of %s runs on this machine", part)
	}
	var who []string
	for w := range logs {
		who = append(who, w)
	}
	slices.Sort(who)
	return "", fmt.Errorf("there are %d logs of %s: name one: %s", len(who), part, strings.Join(who, ", "))
}

// engineLog is the log of an engine: the one it names, or the file that is its
// standard error.
func engineLog(e socket.Engine) (string, error) {
	if e.Log != "" {
		return e.Log, nil
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", e.PID))
	if err != nil {
		return "", fmt.Errorf("engine %s (pid %d): %w", e.Name, e.PID, err)
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("engine %s (pid %d) writes its log to %s, where you have started it: look there, or start it with 2> file", e.Name, e.PID, path)
	}
	return path, nil
}

// again is how often a followed log is looked at.
const again = 200 * time.Millisecond

// printLog prints the last lines of a log (0: all), and with follow what is added,
// until ctx ends. A log that was cut meanwhile is begun again.
func printLog(ctx context.Context, path string, lines int, follow bool, print func(line []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	defer f.Close()
	at, err := tailStart(f, lines)
	if err != nil {
		return fmt.Errorf("logs: %s: %w", path, err)
	}
	var rest []byte // a line without an end as yet
	for {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("logs: %s: %w", path, err)
		}
		if info.Size() < at {
			at, rest = 0, nil
		}
		part := make([]byte, min(64<<10, info.Size()-at))
		n, err := f.ReadAt(part, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("logs: %s: %w", path, err)
		}
		at += int64(n)
		rest = append(rest, part[:n]...)
		for {
			line, more, ok := bytes.Cut(rest, []byte{'\n'})
			if !ok {
				break
			}
			if rest = more; print(bytes.Clone(line)) != nil {
				return nil // nobody reads any more
			}
		}
		switch {
		case n > 0:
			continue
		case !follow:
			if len(rest) > 0 {
				return print(rest)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
	}
}

// tailStart finds where the last lines begin.
func tailStart(f *os.File, lines int) (int64, error) {
	info, err := f.Stat()
	if err != nil || lines == 0 {
		return 0, err
	}
	seen := 0
	for end := info.Size(); end > 0; {
		start := max(0, end-16<<10)
		part := make([]byte, end-start)
		if _, err := f.ReadAt(part, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] == '\n' && start+int64(i) != info.Size()-1 {
				if seen++; seen == lines {
					return start + int64(i) + 1, nil
				}
			}
		}
		end = start
	}
	return 0, nil
}
