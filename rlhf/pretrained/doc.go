// Package pretrained reads published checkpoints into the decoder of package lm
// and writes folders that the transformers library loads.
//
//	m, err := pretrained.Open("SmolLM2-135M-Instruct.Q4_1.gguf") // the description
//	weights, err := m.Weights(backend)                           // float32, in the order of m.Shape.Weights
//	err = pretrained.Export("out", m.Shape, weights, m.Tokenizer)
//
// # What is read
//
//	format                 a checkpoint is        element types                      families
//	Hugging Face folder    config.json and        F32, F16, BF16                     LlamaForCausalLM (SmolLM2, TinyLlama), Qwen2ForCausalLM,
//	                       *.safetensors                                             GPT2LMHeadModel, GPTNeoXForCausalLM (Pythia)
//	GGUF, versions 2, 3    a .gguf file           F32, F16, BF16, Q8_0, Q4_0, Q4_1   llama, qwen2, gpt2, gptneox
//	llama2.c, version 0    a .bin file            F32                                llama
//
// Every format is turned into entries (name, shape, type, place in a file), and a
// [Model] binds them to the weights of its [lm.Shape] by one table per family: the
// tensor's name, whether it lies [out, in] or [in, out], and in which order its
// rows are our columns. Our matrices are [in, out], attention.qkv is all heads' q,
// then k, then v, and the two halves of a head rotate together; files that keep
// rotary pairs side by side (llama in GGUF, llama2.c) or q, k, v head by head
// (GPT-NeoX) are brought into that order. Export uses the same table backwards, so
// what is exported and read again is equal bit for bit.
//
// # Errors
//
// A file is somebody else's. Counts, lengths, offsets and shapes are compared with
// the file's size before memory is taken for them. A field that would change the
// computation into one that the decoder does not do (scaled rotary positions,
// sliding windows, biases elsewhere, experts, another activation) is refused by
// name. A tensor that is missing, that belongs to no weight, or that has another
// shape is an error with file, name, shape found and shape wanted: nothing is ever
// initialised afresh. Two kinds of surplus are let through: the masks and tables
// that older libraries saved, and a copy of the embedding where the head is tied,
// which is compared with it.
//
// # Why not go-huggingface's readers
//
// github.com/gomlx/go-huggingface v0.4.1 reads GGUF too (models/gguf), but takes
// memory for counts of up to 2²⁴ strings that it has not compared with the file's
// size, multiplies axes without regard to overflow, compares no offset with the
// file's end, takes the last of two equal names, and decodes on one core. Its
// models/transformer knows BERT and Gemma; another family's folder is taken for
// Gemma 3, and weights that it does not find are initialised at random. For its
// safetensors see package internal/safetensors.
//
// # Spare ids
//
// This project needs ids for padding, for the end of a turn and for the end of a
// context. Those that a pretrained vocabulary lacks follow its last id: they get
// rows of zeros and are counted in Shape.Spare, so they are inputs only.
package pretrained
