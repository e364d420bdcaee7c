// Package safetensors reads and writes the safetensors format of Hugging Face,
// in which published checkpoints and our own lie on disk:
//
//	uint64 N, little-endian | N bytes of JSON, padded with spaces to a multiple of 8 | data
//
// The JSON gives each tensor's dtype, shape and the place of its data. A file is
// somebody else's: its header's length, its offsets, its shapes and its names are
// checked against the size of the file before any memory is taken for what they
// claim. The data must be covered without holes and overlaps, as the reference
// implementation demands (huggingface/safetensors, tensor.rs).
//
// [Write] and [Read] take whole tensors; [Open] and [OpenFolder] return where the
// tensors lie, a folder's spread over several files by model.safetensors.index.json
// too, for a reader that streams them; [Floats] turns their bytes into float32.
//
// The reader of github.com/gomlx/go-huggingface v0.4.1, models/safetensors, does
// not serve here: it has no constructor for a local folder, links the tensor
// library, slices its memory map with offsets that it has not compared with the
// file's size, takes the last of two entries of one name, and writes nothing.
package safetensors
