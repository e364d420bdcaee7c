// Package own makes an engine of a program, or of a notebook's cell, that brings algorithms
// of its own:
//
//	func main() {
//		err := own.Serve(local.Own{Algorithms: map[string]ppo.Algorithm{"rloo": {Advantages: leaveOneOut}}})
//		…
//	}
//
// Started by hand it is an engine like any other and serves until it is interrupted:
//
//	RLHF_ENGINE_SOCK=~/rlhf/engine.sock go run ./myengine
//
// In a notebook's cell, or where RLHF_ENGINE_SOCK names the engine of a notebook's kernel,
// the program is handed to that kernel: its engine ends at the next step boundary, and the
// kernel starts this program in its place, on the same socket and with the same runs, and
// again if it dies. Serve returns when it answers. The cells after it see no difference
// but the names that configurations may now give. A second Serve replaces the first;
// restarting the kernel brings the stock engine back, and so does [Stock].
//
// What a cell does before Serve, its declarations included, the engine does too when it
// starts, for it is the same program; so let Serve come first.
//
// No code travels over the socket. The program is a file in a folder that only this user
// can write to, and is started by the kernel that the same user started.
package own
