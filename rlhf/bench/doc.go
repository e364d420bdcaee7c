// Package bench measures how fast this machine trains and samples, at sizes that
// other implementations are measured at too:
//
//	r, err := bench.LM(ctx, "xla:cpu", bench.Tiers()["S"], bench.Options{})
//
// # What is measured
//
// A phase is one piece of work that ends with its result on the host: a training
// step, or the sampling or scoring of a batch. It is done until enough samples are clean, that
// is until other processes took little of the machine meanwhile, and its figure is
// the median of the clean samples; without any, the minimum of all, and then
// [Stats].Clean is 0. The processor time of the process is reported beside it: other
// work disturbs it less.
//
// Compiling is measured by itself: what the first execution took beyond the median.
package bench
