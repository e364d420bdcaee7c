// Package sandbox runs untrusted Python and says how it ended. A program that a
// language model has written is somebody else's program: it may delete files, fill
// the memory, call home or kill what started it, by mistake or not.
//
//	err := sandbox.Check(ctx)                                  // nil: this machine can isolate
//	end, err := sandbox.Run(ctx, sandbox.Program{Source: text}, sandbox.Limits{})
//
// # What holds a program in
//
//	what it may try                 what is in its way
//	the network                     a network namespace of its own without a device, not even a loopback that is up; no sockets
//	files                           a mount namespace whose root is an empty tmpfs, read-only: nothing can be written
//	                                anywhere. In it are the interpreter, its standard library and the C libraries,
//	                                read-only. No home, no /tmp, no /etc, no /proc, no /dev, no shell
//	other processes                 a pid namespace: it sees itself only. No ptrace, no memory of others
//	leaving children behind         it is process 1: when it ends, or is killed, the kernel kills all that it started
//	processes and threads           RLIMIT_NPROC, counted in a user namespace
//	processor time, endless loops   RLIMIT_CPU a process; a wall clock over all
//	memory                          RLIMIT_AS a process; no shared memory outside it
//	output                          both pipes are read to a limit, then everything is killed
//	privileges                      no capability, no new ones, no nested namespaces; where root calls, the user 65534
//	the kernel                      seccomp(2) refuses system calls that no such program needs (see refused)
//	the environment                 is empty; no descriptor but the three standard ones is open
//
// No privilege is needed: user namespaces give an ordinary user what it takes. Where
// the kernel, a container or an administrator forbids them, Run refuses and says what is missing. There is no
// weaker mode.
//
// What a program can still do: use its time, its memory and its output; read the
// standard library and the C libraries; see the name of the kernel, the clock and how many
// processors there are; and try the kernel itself. A kernel's own faults are out of reach: run samples of
// models that you have reason to fear in a virtual machine.
//
// # How it works
//
// Run starts this very program again under the name in Helper with new
// namespaces, as container runtimes do. The package's init notices the name before main
// runs, builds the root, gives everything up and becomes the interpreter. A
// program that imports this package needs to do nothing for that.
//
// Linux only.
package sandbox
