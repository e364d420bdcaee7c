package online

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

// A tranche is the comparisons of one deal.
type tranche struct {
	name   string
	rows   []row
	unsure int // that the labellers did not decide
	again  int // that stood in an earlier tranche, or in this one, word for word
	broken int // that the format cannot hold
}

// A row is one comparison as it stands in a file: hh-rlhf's fields, and where it is from.
type row struct {
	Chosen       string `json:"chosen"`
	Rejected     string `json:"rejected"`
	Round        int    `json:"round"`
	ChosenFrom   string `json:"chosen_from"`
	RejectedFrom string `json:"rejected_from"`
}

// tranche makes the comparisons of matches. Left out are those that nobody won, those with
// a response that the format cannot hold (nothing at all, or another Human turn), and
// repetitions, which the lab would drop: it drops the later file by name, not by age.
func (w *walk) tranche(name string, round int, ms []match) tranche {
	t := tranche{name: name}
	for _, m := range ms {
		winner, loser, ok := m.won()
		a, b := rlhf.Transcript{Prompt: m.Prompt, Response: m.A}, rlhf.Transcript{Prompt: m.Prompt, Response: m.B}
		if m.Verdict == B {
			a, b = b, a
		}
		key := [2]string{a.String(), b.String()}
		switch {
		case !ok:
			t.unsure++
		case !holds(a) || !holds(b):
			t.broken++
		case w.seen[key]:
			t.again++
		default:
			w.seen[key] = true
			t.rows = append(t.rows, row{Chosen: key[0], Rejected: key[1], Round: round, ChosenFrom: winner, RejectedFrom: loser})
		}
	}
	return t
}

// holds says whether a transcript is read as it was written.
func holds(t rlhf.Transcript) bool {
	again, err := rlhf.ParseTranscript(t.String())
	return err == nil && again == t
}

// data puts the tranches that a preference model is trained on into a folder of its own,
// all at once: tranches that come later must not change what a run was made from.
func (l *Loop) data(name string, ts []tranche) (folder string, err error) {
	folder = l.path("data", name)
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("online: %w", err)
		}
	}()
	temp := l.path("data", ".tmp-"+name)
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return "", err
	}
	for _, t := range ts {
		text, err := lines(t.rows)
		if err != nil {
			return "", err
		}
		if len(text) == 0 {
			return "", fmt.Errorf("tranche %q: no comparison is left (%d undecided, %d repeated, %d broken); deploy more prompts, or other policies", t.name, t.unsure, t.again, t.broken)
		}
		if err := run.WriteFile(filepath.Join(temp, t.name+".jsonl"), text); err != nil {
			return "", err
		}
	}
	return folder, os.Rename(temp, folder)
}
