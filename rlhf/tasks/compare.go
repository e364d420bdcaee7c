package tasks

import (
	"fmt"

	"hhrlhf/rlhf/eval"
)

// Compare sets two models' results on the same items side by side, such as those of a policy
// before and after reinforcement learning: the change of the share that is right by a measure
// ("": the task's own), item by item.
func Compare(before, after Result, n Norm) (eval.Flips, error) {
	at, err := before.place(n)
	if err != nil {
		return eval.Flips{}, err
	}
	then, err := after.place(n)
	if err != nil {
		return eval.Flips{}, err
	}
	if before.Shots != after.Shots || before.Format != after.Format || len(before.Records) != len(after.Records) {
		return eval.Flips{}, fmt.Errorf("tasks: %s asked %d items as %q after %d examples cannot be compared with %s, %d as %q after %d; ask both alike",
			before.Task, len(before.Records), before.Format, before.Shots, after.Task, len(after.Records), after.Format, after.Shots)
	}
	first, second := make([]bool, len(before.Records)), make([]bool, len(after.Records))
	for i, rec := range before.Records {
		if rec.ID != after.Records[i].ID {
			return eval.Flips{}, fmt.Errorf("tasks: item %d is %s before and %s after, want the same items", i, rec.ID, after.Records[i].ID)
		}
		first[i], second[i] = rec.Right[at], after.Records[i].Right[then]
	}
	return eval.McNemar(first, second)
}
