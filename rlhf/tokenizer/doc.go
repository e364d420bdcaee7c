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
// [TrainBPE], [Bytes] and [Load] make one; [BPE.Save] writes the tokenizer.json
// of the Hugging Face libraries.
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
// # Transcripts
//
// [EncodeTranscript] and [EncodePrompt] are the only functions that turn a
// dialogue into ids. The text is cut at the speakers' markers before it is
// encoded, so no token ever straddles the border of prompt and response, and
// encoding the two separately equals encoding them together. [TemplateHash]
// names that rule; a checkpoint stores it beside [BPE.Hash].
//
// # Differences from the paper
//
// Bai et al. 2022 do not describe their tokenizer. That the score is read at an
// end-of-context token of its own is from Askell et al. 2021 (fig. 31). The byte
// alphabet, the size of the vocabulary and the end token after each Assistant
// turn are our choices.
package tokenizer
