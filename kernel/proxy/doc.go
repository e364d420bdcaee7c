// Package proxy is the ZMQ front of stock gonb: the process that Jupyter talks
// to, and gonb's only client.
//
// Stock gonb v0.11.5 compiles and runs cells well, and leaves parts of the
// Jupyter protocol out. The proxy adds them without touching gonb:
//
//   - Cells queue here, one in flight. When one fails, those behind it are
//     answered "aborted" (unless its stop_on_error is false), so that Run All
//     stops at the first error; an interrupt aborts the queue too.
//   - is_complete_request, history_request, comm_info_request and everything on
//     the control channel are answered here, also while a cell runs.
//   - So are complete_request and inspect_request: the proxy has a session of its
//     own with the gopls that gonb starts, and asks it about the cell together
//     with what gonb has memorised. gonb itself would answer after the running
//     cell, and nothing in its first 12 seconds.
//   - An interrupt reaches every process of the running cell, shell lines and
//     the compiler included, and what has not ended after [Options.Grace] is
//     killed.
//   - Who subscribes to iopub is sent an iopub_welcome.
//   - A gonb that dies is reported as an error of the running cell and is
//     started again in place. The heartbeat is gonb's own, passed on, and so
//     fails while gonb is dead or stuck.
//   - Requests that would crash gonb (a missing field, a field of the wrong
//     type) are completed with the protocol's defaults or refused.
//   - A cell that asks for a labeller's judgement ([feedback.Ask]) gets buttons: the proxy
//     speaks the ipywidgets protocol for them itself, so that they answer while a cell runs,
//     after its end and after the page was loaded again, and gonb's own comms pass as before.
//     What is pressed goes into the feedback's log, written off the proxy's loop, in order.
//
// What is not changed is forwarded byte for byte, its signature included: gonb
// is given the front-end's key.
//
// # Cells
//
// Package gocell reads a cell before gonb gets it. The proxy then
//
//   - has its last expression shown, as an execute_result;
//   - times it (%%time): what building and what running took, and their processor
//     seconds;
//   - serves %history, %doc (and name?), which the pager shows, and %clear;
//   - puts a sentence above the traceback of a cell that does not compile: where,
//     what, and what to do;
//   - makes a panic's text the traceback of the error that it is, where gonb
//     sends it as output and says "exit status 2".
//
// execute_input and the history have the cell as it was written. A reply goes out
// behind the cell's last output.
//
// # Connections
//
//	front-end ── tcp (connection file) ── proxy ── unix sockets in a 0700 folder ── gonb
//	                                           └── unix socket ── gopls
//
// The private connection file keeps the base name kernel-<uuid>.json, from
// which gonb derives the kernel's id. gonb answers control requests on its
// shell socket and input requests go to the shell's peer, hence one identity
// for both of the proxy's sockets.
//
// # What the proxy is not
//
// It owns no process: [Options.Start] does, see package launch. It repairs no
// text: gonb encodes each chunk of a program's output by itself, so a rune cut
// by a chunk's border is lost before it gets here; launch keeps the borders
// between runes instead.
package proxy
