// Package tokenizer turns text into token ids and back, and transcripts into
// the prompt and response that every stage of training and evaluation sees.
//
// The tokenizer that we train is a byte-level byte-pair encoding (BPE; Sennrich
// et al. 2016, with the byte alphabet and the pre-tokenisation of GPT-2, Radford
// et al. 2019): any string of bytes has an encoding and decodes to itself.
//
//	tk, err := tokenizer.TrainBPE(slices.Values(texts), 4096)
//	prompt, response := tokenizer.EncodeTranscript(tk, t)
//
// [TrainBPE], [Bytes] and [Load] make one; Save writes the tokenizer.json of the
// Hugging Face libraries.
//
// # Published vocabularies
//
// [Open] reads the folder of a published model, [FromGGUF] the metadata of a
// GGUF file, [LoadLlama2c] llama2.c's file, [LoadSentencePiece] a SentencePiece
// model and [LoadGPT2] GPT-2's two files. The ids are those of the family's own
// library:
//
//	GPT-2, Pythia     byte-level BPE, GPT-2's expression; Pythia in normal form C
//	SmolLM2           the same, each digit a piece
//	Qwen 2, Llama 3   byte-level BPE, expressions of their own
//	Llama 2, TinyLlama, llama2.c   SentencePiece BPE, bytes where a character is missing
//	SentencePiece unigram          [Unigram]
//
// Any other pre-tokenizer, normaliser or post-processor is an error that quotes
// it. Such vocabularies need three more calls than ours do: [EncodeText] gives
// the ids of a whole text as the model was trained on them, with Llama's <s> and
// SentencePiece's space before the first word; EncodeSpecial takes the names of
// special tokens in the text for these tokens; and a [Template] lays out a
// dialogue for a chat model. Encode itself gives the ids of text amid a text, and
// Decode its inverse, so that pieces of text may be encoded, and sampled ids
// decoded, one after the other.
//
// # Special tokens
//
// Three ids stand for no text: [PadToken] fills rows of unequal length,
// [EOSToken] ends every Assistant turn and is where sampling stops, and
// [EOCToken] ends a context whose preference-model score is to be read. They are
// always distinct: a pad that equals the end token would be masked together with
// it, and the model would never learn to stop. Encode never yields one of
// them: a user who types "<|endoftext|>" gets the tokens of those 13 characters.
//
// In a published vocabulary the end token is the model's own (its eos_token). Pad
// and end of context are its tokens of these names, or of the names by which
// families know a pad ("<pad>", "[PAD]", "<|padding|>"), and else new ids at the
// end, which [Spare] counts; an eos_token that the files also call their pad is
// never both. [Extend] moves the new ids behind the rows of a model that has more
// than its vocabulary needs.
//
// # Transcripts
//
// [EncodeTranscript] and [EncodePrompt] are the only functions that turn a
// dialogue into ids. The text is cut at the speakers' markers before it is
// encoded, so no token ever straddles the border of prompt and response, and
// encoding the two separately equals encoding them together. [TemplateHash]
// names that rule; a checkpoint stores it beside the tokenizer's Hash. Chat
// models see dialogues through a [Template] instead; its zero value is the rule
// of EncodePrompt.
//
// A chat template is a program in Jinja that comes with a model. It is run by an
// interpreter that reads no files, with its output and its numeric loops bounded,
// but its running time is not: load models from sources you trust.
//
// # Errors
//
// Errors name the file, the field and the value. Files are untrusted: what they
// hold is checked before memory is taken for it.
//
// # Differences from the paper
//
// Bai et al. 2022 do not describe their tokenizer. That the score is read at an
// end-of-context token of its own is from Askell et al. 2021 (fig. 31). The byte
// alphabet, the size of the vocabulary and the end token after each Assistant
// turn are our choices.
//
// # Differences from the libraries
//
// Encode finds no special tokens in text, which the Hugging Face library does by
// default; a Template finds those that its own text names, none that a speaker
// wrote. A byte that a byte-level vocabulary lacks is left out, as there. Unigram
// adds scores in float64, as the Hugging Face library does; SentencePiece's own
// uses float32, so cuts of equal score, of long runs of spaces, may differ.
package tokenizer
