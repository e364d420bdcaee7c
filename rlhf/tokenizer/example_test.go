package tokenizer_test

import (
	"fmt"
	"log"
	"os"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

func ExampleTrainBPE() {
	texts := slices.Repeat([]string{" the cat sat on the mat"}, 10)
	tk, err := tokenizer.TrainBPE(slices.Values(texts), 270)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range tk.Encode(" the cat sat\n") {
		fmt.Printf("%d %q\n", id, tk.Piece(id))
	}
	// Output:
	// 262 " the"
	// 267 " cat"
	// 266 " s"
	// 259 "at"
	// 13 "\\n"
}

func ExampleEncodeTranscript() {
	tk := tokenizer.Bytes()
	t, err := rlhf.ParseTranscript("\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: 2+2?\n\nAssistant: 4")
	if err != nil {
		log.Fatal(err)
	}
	prompt, response := tokenizer.EncodeTranscript(tk, t)
	fmt.Println(len(prompt), "prompt tokens; after Hello:", tk.Piece(prompt[slices.Index(prompt, tk.EOS())]))
	for _, id := range response {
		fmt.Printf("%q\n", tk.Piece(id))
	}
	fmt.Printf("%q\n", tokenizer.DecodeResponse(tk, response))
	// Output:
	// 55 prompt tokens; after Hello: <|endoftext|>
	// " "
	// "4"
	// "<|endoftext|>"
	// " 4"
}

func ExampleEncodePrompt() {
	tk := tokenizer.Bytes()
	ids := tokenizer.EncodePrompt(tk, rlhf.Human+" Hi"+rlhf.Assistant)
	fmt.Printf("%q\n", tk.Decode(ids))
	// Output:
	// "\n\nHuman: Hi\n\nAssistant:"
}

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tk := tokenizer.Bytes()
	if err := tk.Save(dir); err != nil {
		log.Fatal(err)
	}
	again, err := tokenizer.Load(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.VocabSize(), again.Hash() == tk.Hash())
	// Output:
	// 259 true
}

func ExampleTemplate_Encode() {
	tk := tokenizer.Bytes() // has none of ChatML's special tokens: they come out as text
	chatML := tokenizer.Templates()[1]
	ids, err := chatML.Encode(tk, []rlhf.Turn{{Text: "2+2?"}}, "Be brief.")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tk.Decode(ids))
	// Output:
	// <|im_start|>system
	// Be brief.<|im_end|>
	// <|im_start|>user
	// 2+2?<|im_end|>
	// <|im_start|>assistant
}

func ExampleOpen() {
	tk, err := tokenizer.Open("testdata/llama2")
	if err != nil {
		log.Fatal(err)
	}
	var pieces []string
	for _, id := range tokenizer.EncodeText(tk, "the way") {
		pieces = append(pieces, tk.Piece(id))
	}
	fmt.Printf("%q\n", pieces)
	fmt.Println(tk.Decode(tk.Encode("the way")) == "the way", tokenizer.Spare(tk))
	// Output:
	// ["<s>" " the" " w" "ay"]
	// true 2
}
