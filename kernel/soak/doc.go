// Package soak trains through a real kernel while everything around the training
// is broken on purpose, and checks after every blow that nothing was lost, left
// behind or left open. It is what `rlhf soak` runs for an hour and the tests for
// a minute.
//
// A round is a language model, a preference model and a policy, each trained by
// notebook cells to its plan. Meanwhile blows fall at moments drawn from a seed:
//
//	interrupt   the front-end's interrupt
//	cell        SIGKILL of the cell's program, or of the Go tool that builds it
//	gonb        SIGKILL of gonb
//	engine      SIGKILL of the engine
//	launcher    SIGKILL of the launcher, as Jupyter's "restart now" does
//	restart     the front-end's restart: shutdown_request and a new kernel
//	full        the disk of the runs is filled to its last byte
//	limit       the engine may not write files beyond a few kilobytes
//	slow        every opening of a file among the runs takes a third of a second
//
// # What is checked
//
//   - The history on disk is, after each blow, the beginning of the history of a
//     straight run of the same configuration, number for number; and at the end of
//     a round histories and weights are equal bit for bit.
//   - After an interrupt and after the death of a cell or of gonb the last step is
//     in a checkpoint. After the death of the engine the steps since the newest
//     checkpoint are done again: [Event.Again] says how many.
//   - After a restart and after the death of the launcher no process and no file
//     of the kernel is left; after the death of a cell or of gonb, no cell.
//   - On a full disk the cell's error names the file and says what to do, the
//     engine lives, and the run goes on once there is space.
//   - On a slow disk the engine answers, and the cell goes on.
//   - At the end of each round the engine has as many files open as at the end of
//     its first, and nothing half made lies among the runs. Its resident memory at
//     those moments has a slope, which [Report] gives with its interval.
//
// # How disks are broken
//
// As root the runs lie on a small tmpfs of their own; the full disk is that one,
// filled. The slow one is made with fanotify(7): the system asks this process
// before it opens a file there, and the answer is late. Without root there is no
// full disk, only the file-size limit (prlimit(2)), and the slow disk is an engine
// that is stopped (SIGSTOP) while a checkpoint is being written.
package soak
