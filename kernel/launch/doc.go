// Package launch is what Jupyter starts as the kernel: the owner of the
// processes behind a notebook.
//
//	Jupyter ── launch.Run ─┬─ proxy (in this process)
//	                       ├─ gonb ── gopls, the Go tools, the running cell
//	                       ├─ engine
//	                       └─ guard
//
// Everything below lives as long as [Run] does: a shutdown, SIGTERM, SIGINT,
// the end of the parent and the end of the process itself (kill -9, which
// Jupyter uses for "restart now") all leave no process and no temporary file
// behind. Two things see to it: every process is started with a variable in its
// environment that its descendants inherit and that /proc shows, whoever their
// parent is by then; and the guard, a child in a session of its own, does the
// cleaning when the launcher could not.
//
// A program that calls Run must call [Shim] first thing in its main: the guard
// and the relay below are the same program under other names.
//
// # What cells see
//
//   - RLHF_ENGINE_SOCK and RLHF_ENGINE_LOG: the engine's socket and log. If
//     RLHF_ENGINE_SOCK is set when the kernel starts, cells use that engine (on
//     another host, or another notebook's) and none is started.
//   - TMPDIR: a folder that goes with the kernel.
//   - A go command whose bare "go get", which stock gonb runs before each cell,
//     does nothing: versions are the repository's, and no network is asked.
//   - Standard output and error through a relay, which hands gonb its text in
//     pieces that end between two UTF-8 runes: gonb encodes each piece by
//     itself and would write U+FFFD for the halves of a cut one. Shell lines
//     (!command) are run by gonb itself and have no relay.
package launch
