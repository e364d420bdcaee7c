// Package humaneval puts completions of a language model to the tests of HumanEval (Chen et al. 2021),
// 164 problems of Python programming, in a sandbox (package sandbox).
//
//	problems, err := humaneval.Read("HumanEval.jsonl.gz")
//	verdict, err := problems[0].Judge(ctx, humaneval.Truncate(completion), sandbox.Limits{})
//
// # The verdict
//
// Exit status 0 means nothing: os._exit(0) is one line. Nor does a token printed after the tests, where
// the completion runs in the same process: it reads the token in a stack frame and prints it first. Here the tests
// run in a process of their own, which asks the completion's for each value through a pipe; only plain
// values come back. A completion that exits, answers itself, patches builtins, catches everything or overrides ==
// changes nothing but its own answers. The verdict is signed with a random token that the completion's process never
// holds.
//
// # Differences from the paper
//
// Chen et al. run completion and tests in one process with dangerous functions set to None, and say that this is no
// sandbox. Because values cross a pipe here, a completion passes only if its answers are plain: None, truth values, numbers, strings,
// bytes, and lists, tuples, sets and dictionaries of them; subclasses arrive as what they extend. A change that a
// completion makes to its arguments is not seen by the tests. Limits are those of package sandbox: 5 s of processor time
// for each of the two processes and 10 s of wall clock, where theirs are 3 s of wall clock.
package humaneval
