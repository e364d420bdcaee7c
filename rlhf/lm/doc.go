// Package lm is the language model: a decoder-only transformer, its training by
// next-token cross-entropy, and the one function through which every
// log-probability is computed.
//
// [Net] is the forward pass over graph nodes; sampling, preference models and PPO
// build on it. [Shape] says which architecture it has (GPT-2's, Llama's, Qwen2's or
// GPT-NeoX's) and how large it is, and lists its weights in the order in which every
// program takes them; [Size] gives the shapes of the paper's ladder. [Trainer]
// trains it on packed rows.
//
// Elsewhere the first stage of RLHF is supervised finetuning (SFT); the paper has
// none. A language model trained on transcripts is the initial policy.
//
// # Shapes
//
// Rows are tokens, segments and positions, [B, T] int32 each. Segment 0 is
// padding; tokens see earlier tokens of their own segment only.
//
// # Training and memory
//
// A [Trainer] takes its rows from a [Source], in memory or on disk, whose row i
// depends on i alone; weights, moments and the number of updates are all that a
// resumed run needs to go on bit for bit. [Training] says what to do where a batch is
// too large to hold: cut it into micro-batches, or keep the inputs of blocks only.
// Measured peaks of resident memory in float32 with AdamW, XLA on a CPU: d 256,
// 8 layers, 16 × 256 tokens take 2.05 GB, checkpointed 1.12 GB, with the same losses;
// SmolLM2-135M on 4 × 256 tokens takes 4.2 GB checkpointed.
//
// # Differences from the paper
//
// The paper's decoders have d_model = 128·n_layer and d_ff = 4·d_model (Askell et
// al. 2021, appendix A); heads, positions, normalisation, initialisation,
// optimiser and learning rate are not stated. Here, unless a pretrained model says
// otherwise: pre-LN and GELU as in GPT-2,
// learned absolute positions, head tied to the embedding, AdamW with cosine decay
// to a tenth. Transcripts are packed without seeing each other, so that training
// and RL present a transcript in the same way.
package lm
