// Package local is the Lab of this process: it holds models, optimiser states
// and compiled programs, and keeps every run on disk (package run).
//
//	lab, err := local.Open(local.Options{Dir: "runs", Backend: "xla:cpu"})
//	model, err := lab.LM("lm-1", rlhf.LM{Size: rlhf.Tiny})
//	for event, err := range model.Train() { … }
//
// # Durability
//
// A step's metrics are on disk when its event is seen. Checkpoints are written
// as often as they cost less than a twentieth of the time between them, and
// whenever a stretch of training ends. A process that is killed goes on from its
// last checkpoint; steps after it are computed again, with the same result bit
// for bit on the CPU, because everything random depends on seed and step alone.
//
// # Sharing
//
// One call at a time uses the device; the others wait in order. Runs, History
// and Status never wait.
package local
