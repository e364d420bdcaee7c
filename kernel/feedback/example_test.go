package feedback_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/synth"
)

// In a notebook the first line stands in a cell of its own, and Ask shows buttons. Here
// nobody is there, and a worker of the synthetic world answers.
func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	world, _ := synth.Named(rlhf.SynthSmall)
	fb := feedback.Open(filepath.Join(dir, "friends.jsonl"), feedback.Options{
		How: feedback.Simulated, Simulated: online.Crowd{World: world}})

	a, err := fb.Ask(feedback.Question{Prompt: "What is 2 plus 3?", A: " 2 plus 3 is 5.", B: " 2 plus 3 is 6."})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("picked:", a.Picked())
	e, _ := fb.Export(filepath.Join(dir, "mine"))
	fmt.Println(e)
	// Output:
	// ✓ B is clearly better (simulated, question 4772fc25fd83)
	// picked:  2 plus 3 is 5.
	// 1 comparisons (simulated 1), 0 of them edits; left out: 0 skipped, 0 weakest, 0 broken, 0 repeated
}

// A conversation with any function; a run of the Lab does as well.
func ExampleSession_Talk() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	fb := feedback.Open(filepath.Join(dir, "friends.jsonl"), feedback.Options{
		How: feedback.Simulated, Simulated: longer{}, Out: nowhere{}})
	answer := func(prompt string, n int) (string, error) {
		return []string{" Yes.", " Yes, and here is why."}[n%2], nil
	}
	d, err := fb.Talk(feedback.Conversation{First: "Is bread baked?", Turns: 1}, rlhf.Sampling{}, feedback.PolicyFunc(answer))
	fmt.Printf("%q %v\n", d.Text, err)
	// Output:
	// "\n\nHuman: Is bread baked?\n\nAssistant: Yes, and here is why." <nil>
}

// longer likes long responses.
type longer struct{}

func (longer) Label(_ context.Context, q online.Question) (online.Verdict, error) {
	if len(q.A) > len(q.B) {
		return online.A, nil
	}
	return online.B, nil
}

// nowhere is a terminal that nobody reads.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
