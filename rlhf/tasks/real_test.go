package tasks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/tasks"
)

// The published files are read whole, and their first items laid out as the public harness does.
func TestPublishedFiles(t *testing.T) {
	dir := os.Getenv("HHRLHF_DATA")
	if dir == "" {
		t.Skip("HHRLHF_DATA, the folder with the data of the tests, is not set")
	}
	for _, c := range []struct {
		name   string
		items  int
		kind   tasks.Kind
		norm   tasks.Norm
		chance float64
		ends   string // of the first item's prompt
		answer string // its right one
	}{
		{"mmlu", 14042, tasks.Choice, tasks.Sum, 0.25, "over Q.\nA. 0\nB. 4\nC. 2\nD. 6\nAnswer:", " B"},
		{"arc_easy", 2376, tasks.Choice, tasks.Sum, 0.25, "of most food webs?\nAnswer:", " Sunlight is the source of energy for nearly all ecosystems."},
		{"arc_challenge", 1172, tasks.Choice, tasks.Char, 0.25, "this increase in rotation?\nAnswer:", " Planetary days will become shorter."},
		{"openbook_qa", 500, tasks.Choice, tasks.Char, 0.25, "the best way to save money is to", " quit eating lunch out"},
		{"hellaswag", 1000, tasks.Choice, tasks.Char, 0.25, "stop and swing your body. A few women", " are in the gym practicing to do this pole vault, trying to do their best."},
		{"lambada", 5153, tasks.Cloze, "", 0, "a confident grin, I don't care about", " signs"},
		{"triviaqa", 3000, tasks.Free, "", 0, "types of which vegetable?\nAnswer:", " Onion"},
	} {
		task, err := tasks.OpenNamed(filepath.Join(dir, "eval"), c.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(task.Items) != c.items || task.Kind != c.kind || task.Norm != c.norm || task.Chance() != c.chance || task.Name != c.name {
			t.Errorf("%s: %d items, %s, %q, chance %v", task.Name, len(task.Items), task.Kind, task.Norm, task.Chance())
		}
		prompt, answers, err := task.Lay(0, 0, 0)
		if err != nil || !strings.HasSuffix(prompt, c.ends) || answers[task.Items[0].Gold] != c.answer {
			t.Errorf("%s: %q, %q, %v", c.name, prompt, answers, err)
		}
		for i := 0; i < len(task.Items); i += 13 {
			p, as, err := task.Lay(i, 3, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range as {
				if strings.TrimSpace(a) == "" || strings.HasSuffix(p, " ") {
					t.Fatalf("%s, %s: %q then %q", c.name, task.Items[i].ID, p[max(0, len(p)-40):], a)
				}
			}
		}
	}
}
