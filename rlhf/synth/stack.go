package synth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
)

// RunProgram runs a program of the stack language and returns the one number
// that it leaves. The words are
//
//	push n   n onto the stack
//	add      a b → a+b
//	sub      a b → a-b
//	mul      a b → a·b
//	dup      a → a a
//	swap     a b → b a
//
// Programs have at most 64 words and numbers at most six digits, so that any
// text can be run. The error names the word at fault and its place.
func RunProgram(program string) (int, error) {
	words := strings.Fields(program)
	if len(words) > 64 {
		return 0, fmt.Errorf("synth: program has %d words, at most 64 run", len(words))
	}
	var stack []int
	for i := 0; i < len(words); i++ {
		op := words[i]
		need, known := map[string]int{"push": 0, "add": 2, "sub": 2, "mul": 2, "dup": 1, "swap": 2}[op]
		if !known {
			return 0, fmt.Errorf("synth: word %d of the program: unknown operation %.20q", i+1, op)
		}
		if len(stack) < need {
			return 0, fmt.Errorf("synth: word %d of the program: %s needs %d numbers on the stack, there are %d", i+1, op, need, len(stack))
		}
		top := len(stack) - 1
		switch op {
		case "push":
			if i+1 == len(words) {
				return 0, fmt.Errorf("synth: word %d of the program: push needs a number after it", i+1)
			}
			i++
			n, err := number(words[i])
			if err != nil {
				return 0, fmt.Errorf("synth: word %d of the program: push needs a number, not %.20q", i+1, words[i])
			}
			stack = append(stack, n)
		case "add":
			stack = append(stack[:top-1], stack[top-1]+stack[top])
		case "sub":
			stack = append(stack[:top-1], stack[top-1]-stack[top])
		case "mul":
			stack = append(stack[:top-1], stack[top-1]*stack[top])
			if p := stack[top-1]; p > maxNumber || p < -maxNumber {
				return 0, fmt.Errorf("synth: word %d of the program: %d is out of range", i+1, p)
			}
		case "dup":
			stack = append(stack, stack[top])
		case "swap":
			stack[top-1], stack[top] = stack[top], stack[top-1]
		}
	}
	if len(stack) != 1 {
		return 0, fmt.Errorf("synth: the program leaves %d numbers on the stack, want 1", len(stack))
	}
	return stack[0], nil
}

// Solves says whether a response to a request for a program holds one that gives the number
// asked for with the operation asked for, by running it. The program is what stands between the
// first "push" and the end of its sentence. The error is of a prompt that asks for no program.
func (w *World) Solves(prompt, response string) (bool, error) {
	q, ok := w.Question(prompt)
	if !ok || q.Skill != "write" {
		return false, fmt.Errorf("synth: %.80q asks for no program", prompt)
	}
	response, _, _ = strings.Cut(response, rlhf.Human)
	at := strings.Index(response, "push ")
	if at < 0 {
		return false, nil
	}
	program := response[at:]
	if end := strings.IndexAny(program, ".!?\n"); end >= 0 {
		program = program[:end]
	}
	n, err := RunProgram(program)
	want, _ := number(q.X)
	return err == nil && n == want && slices.Contains(strings.Fields(program), q.op), nil
}

// ProgramPrompts asks for a program that gives n, for each operation and in each of the
// world's phrasings. The world itself asks for the numbers 2 to 10.
func ProgramPrompts(n int) []string {
	var out []string
	for _, op := range stackOps {
		for _, t := range askWrite {
			out = append(out, paragraph(t.render(strconv.Itoa(n), op)))
		}
	}
	return out
}

const maxNumber = 999_999

// number reads a natural number of at most six digits.
func number(s string) (int, error) {
	if len(s) > 6 {
		return 0, strconv.ErrRange
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err
}
