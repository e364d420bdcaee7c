// Package sample draws responses from a decoder: one program reads the prompts
// and draws the first token, and one program, a loop on the device with a
// key-value cache, writes the rest.
//
// [Sampler.Sample] writes whole responses, [Sampler.Stream] hands them out token
// by token; both run the same two programs and give the same tokens. A [Pool]
// keeps few compiled samplers for prompts and responses of any length.
//
// # During RL and outside
//
// During RL the only transform is the temperature: there is no top-k, no top-p,
// no greedy choice and no minimum length, because the recorded log-probabilities
// would then be those of another distribution than the one that was sampled, and
// every ratio and KL computed from them would be wrong (paper, footnote 12).
// [New] therefore refuses them; [NewTruncated] and [Pool] take them and are for
// everything that is read, not trained on.
//
// # Shapes
//
// Prompts are left-padded to P slots, so that the response token r of every row
// stands at slot P+r, and its log-probability comes from slot P+r−1.
//
// # Randomness
//
// Each row has a seed of its own and takes one uniform number a token from it.
// The same seed, prompt and weights therefore give the same response in whatever
// row it stands and whatever else is in the batch, as long as the number of rows
// and P are the same. The log-probabilities are equal to about 1e-6: XLA's products
// round some rows of a matrix otherwise than others. A token could differ only if
// its uniform number lay that close to the border between two.
package sample
