package tasks

import (
	"strings"

	"hhrlhf/rlhf"
)

// letters name the choices of a lettered question.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// spaced is an answer with the space before it.
func spaced(it Item, i int) string { return " " + it.answer(i) }

// letter is the letter of a choice, bare: "A".
func letter(_ Item, i int) string { return " " + letters[i:i+1] }

// Plain is the public harness's format of questions whose Prompt is a sentence's beginning
// or a passage: nothing is added.
var Plain = Format{Name: "plain", Prompt: func(it Item) string { return it.Prompt }, Answer: spaced, Between: "\n\n", Bare: "Answer:"}

// Answered is the public harness's format of questions: "…\nAnswer:".
var Answered = Format{Name: "answer", Prompt: func(it Item) string { return it.Prompt + "\nAnswer:" }, Answer: spaced, Between: "\n\n", Bare: "Answer:"}

// Blank is the format of LAMBADA with examples (Brown et al. 2020, section 3.1.1; Bai et al.
// 2022, appendix E): that one word is wanted can only be told from examples.
var Blank = Format{Name: "blank", Prompt: func(it Item) string { return it.Prompt + " ____. ->" }, Answer: spaced, Between: "\n\n", Bare: "->"}

// Lettered lists the choices in the prompt, as the paper does, and asks for the letter of
// one: "…\nChoices:\n (A) … (B) …\nAnswer: (A)". What stands around the choices the paper
// does not say.
var Lettered = Format{Name: "letters", Bare: "Answer:", Between: "\n\n",
	Prompt: func(it Item) string {
		var b strings.Builder
		b.WriteString(it.Prompt + "\nChoices:\n")
		for i, c := range it.Choices {
			b.WriteString(" (" + letters[i:i+1] + ") " + c)
		}
		return b.String() + "\nAnswer:"
	},
	Answer: func(_ Item, i int) string { return " (" + letters[i:i+1] + ")" },
}

// hendrycks is MMLU's own format.
var hendrycks = Format{Name: "mmlu", Bare: "Answer:", Between: "\n\n", Answer: letter,
	Header: func(it Item) string {
		return "The following are multiple choice questions (with answers) about " + strings.ReplaceAll(it.Group, "_", " ") + ".\n\n"
	},
	Prompt: func(it Item) string {
		var b strings.Builder
		b.WriteString(strings.TrimSpace(it.Prompt))
		for i, c := range it.Choices {
			b.WriteString("\n" + letters[i:i+1] + ". " + c)
		}
		return b.String() + "\nAnswer:"
	},
}

// Asked is the format of items whose Prompt is a dialogue of the paper's format up to the
// Assistant's answer. Examples are the exchanges before it.
var Asked = Format{Name: "asked", Prompt: func(it Item) string { return it.Prompt }, Answer: spaced, Bare: rlhf.Assistant}

// Dialogue puts what f asks into the mouth of the Human, so that the answer is the
// Assistant's; what f puts before the answer, such as "Answer:", is left out.
func Dialogue(f Format) Format {
	g := f
	g.Name, g.Between, g.Header, g.Bare = "dialogue", "", nil, rlhf.Assistant
	g.Prompt = func(it Item) string {
		return rlhf.Human + " " + strings.TrimSpace(strings.TrimSuffix(f.Prompt(it), "\nAnswer:")) + rlhf.Assistant
	}
	return g
}

// Formats are those that a user may choose from, by name.
var Formats = map[string]func(Task) Format{
	"":         func(t Task) Format { return t.Format },
	"plain":    func(Task) Format { return Plain },
	"answer":   func(Task) Format { return Answered },
	"blank":    func(Task) Format { return Blank },
	"letters":  func(Task) Format { return Lettered },
	"dialogue": func(t Task) Format { return Dialogue(t.Format) },
}
