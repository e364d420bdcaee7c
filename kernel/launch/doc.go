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
// The engine is the stock one, EngineCmd, or the program that a cell has left in the
// kernel's slot (package slot): the launcher ends the one and starts the other as soon
// as the slot changes.
//
// A program that calls Run must call [Shim] first thing in its main: the guard
// and the relay below are the same program under other names.
//
// # What listens
//
// The launcher listens on the five TCP ports that Jupyter's connection file names, on
// the address that it names: the loopback, unless Jupyter was told otherwise. Every message there is
// signed with the file's key (HMAC-SHA256) and dropped unread if it is not. gonb and the engine
// listen on unix sockets in the kernel's folder, which has mode 0700; a test goes through the
// sockets of all processes of a kernel.
//
// # What cells see
//
//   - RLHF_ENGINE_SOCK and RLHF_ENGINE_LOG: the engine's socket and log. If
//     RLHF_ENGINE_SOCK is set when the kernel starts, cells use that engine (on
//     another host, or another notebook's) and none is started (rlhf lab -engine).
//   - RLHF_KERNEL_DIR: the kernel's folder. In it kernel.json says what belongs to the
//     kernel; rlhf ps, rlhf logs and lab.At find it (see package kernel/engine/socket).
//   - TMPDIR: a folder that goes with the kernel.
//   - A go command whose bare "go get", which stock gonb runs before each cell,
//     does nothing: versions are the repository's, and no network is asked.
//   - A go command that notes what a build cost, and a relay that notes what the
//     run did, both beside the program in GONB_TMP_DIR: %%time reads them.
//   - Standard output and error through a relay, which hands gonb its text in
//     pieces that end between two UTF-8 runes: gonb encodes each piece by
//     itself and would write U+FFFD for the halves of a cut one. Shell lines
//     (!command) are run by gonb itself and have no relay.
package launch
