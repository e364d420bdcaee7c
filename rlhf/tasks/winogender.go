package tasks

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A Worker is an occupation with the share of women in it in the United States in 2015 or
// 2016, as a number from 0 to 1 (Bureau of Labor Statistics, by way of Rudinger et al. 2018).
type Worker struct {
	Occupation string
	Female     float64
}

// A Schema is one sentence of Winogender (Rudinger et al. 2018, arXiv:1804.09301) in the two
// forms that differ in a pronoun. The pronoun refers to the occupation or, if Other, to whom
// else the sentence names.
type Schema struct {
	Occupation   string
	Other        bool
	Female, Male string
}

const (
	winogenderStats     = "winogender_occupations-stats.tsv"
	winogenderSentences = "winogender_all_sentences.tsv"
)

// OpenWinogender reads the two files of Winogender in a folder.
func OpenWinogender(folder string) ([]Worker, []Schema, error) {
	var workers []Worker
	path := filepath.Join(folder, winogenderStats)
	err := eachCell(path, []string{"occupation", "bls_pct_female"}, func(cells []string) error {
		x, err := strconv.ParseFloat(cells[1], 64)
		if err != nil || !(x >= 0 && x <= 100) {
			return fmt.Errorf(`"bls_pct_female" is %q, want a number from 0 to 100`, cells[1])
		}
		workers = append(workers, Worker{cells[0], x / 100})
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var schemata []Schema
	at := map[string]int{}
	path = filepath.Join(folder, winogenderSentences)
	err = eachCell(path, []string{"sentid", "sentence"}, func(cells []string) error {
		// occupation.participant.answer.gender.txt; answer 0 is the occupation
		parts := strings.Split(cells[0], ".")
		if len(parts) != 5 {
			return fmt.Errorf(`"sentid" is %q, want occupation.participant.answer.gender.txt`, cells[0])
		}
		key := strings.Join(parts[:3], ".")
		k, seen := at[key]
		if !seen {
			k = len(schemata)
			at[key] = k
			schemata = append(schemata, Schema{Occupation: parts[0], Other: parts[2] == "1"})
		}
		switch parts[3] {
		case "female":
			schemata[k].Female = cells[1]
		case "male":
			schemata[k].Male = cells[1]
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for key, k := range at {
		if s := schemata[k]; s.Female == "" || s.Male == "" {
			return nil, nil, fmt.Errorf("tasks: %s: %s has no female or no male form", path, key)
		}
	}
	return workers, schemata, nil
}

// eachCell reads the named columns of a file of cells with tabs between them.
func eachCell(path string, columns []string, do func(cells []string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("tasks: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	var places []int
	rows := 0
	for at := 1; lines.Scan(); at++ {
		row := strings.Split(lines.Text(), "\t")
		if at == 1 {
			for _, name := range columns {
				k := -1
				for i, cell := range row {
					if cell == name {
						k = i
					}
				}
				if k < 0 {
					return fmt.Errorf("tasks: %s:1: there is no column %q among %q", path, name, row)
				}
				places = append(places, k)
			}
			continue
		}
		cells := make([]string, len(columns))
		for i, k := range places {
			if k >= len(row) || strings.TrimSpace(row[k]) == "" {
				return fmt.Errorf("tasks: %s:%d: %q is empty, want a text", path, at, columns[i])
			}
			cells[i] = strings.TrimSpace(row[k])
		}
		if err := do(cells); err != nil {
			return fmt.Errorf("tasks: %s:%d: %w", path, at, err)
		}
		rows++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("tasks: %s: %w", path, err)
	}
	if rows == 0 {
		return fmt.Errorf("tasks: %s holds no rows", path)
	}
	return nil
}

// Pronouns asks a model for the log-probability of both forms of each sentence from the pronoun
// on, for [eval.GenderBias]: occupations in the order of their first sentence. Sentences whose
// pronoun refers to the other person are left out.
func Pronouns(m Predictor, schemata []Schema) ([]eval.Occupation, error) {
	var ts []rlhf.Transcript
	var out []eval.Occupation
	at := map[string]int{}
	var owner []int
	for _, s := range schemata {
		if s.Other {
			continue
		}
		k, seen := at[s.Occupation]
		if !seen {
			k = len(out)
			at[s.Occupation] = k
			out = append(out, eval.Occupation{Name: s.Occupation})
		}
		cut := strings.LastIndexByte(s.Female[:common(s.Female, s.Male)+1], ' ') // the two part inside the pronoun
		if cut < 0 {
			return nil, fmt.Errorf("tasks: Winogender: %q and %q have no common beginning", s.Female, s.Male)
		}
		for _, text := range []string{s.Female, s.Male} {
			ts = append(ts, rlhf.Transcript{Prompt: text[:cut], Response: text[cut:]})
		}
		owner = append(owner, k)
	}
	ps, err := m.Predict(ts)
	if err != nil {
		return nil, fmt.Errorf("tasks: Winogender: %w", err)
	}
	for i, k := range owner {
		out[k].Female, out[k].Male = append(out[k].Female, ps[2*i].LogP), append(out[k].Male, ps[2*i+1].LogP)
	}
	return out, nil
}

// common is how many bytes two texts share at their beginning, fewer than either has.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b))-1 && a[n] == b[n] {
		n++
	}
	return n
}

// Gendered is what gender is to a language model: the bias of appendix B.10 with occupations
// behind pairs of terms, the same with the pronouns of whole sentences, and how both go with the share of
// women in an occupation.
type Gendered struct {
	Terms    eval.Gender   `json:"terms"`
	Women    []float64     `json:"women"` // share in each occupation
	TermR    eval.Interval `json:"term_r"`
	Pronouns eval.Gender   `json:"pronouns"`
	PronounR eval.Interval `json:"pronoun_r"`
}

// AskGender asks a model about occupations, [Pairs] of terms in [WorksAs], and about the sentences
// of these occupations.
func AskGender(m Predictor, workers []Worker, schemata []Schema) (g Gendered, err error) {
	women, names := map[string]float64{}, []string(nil)
	for _, w := range workers {
		names, g.Women = append(names, WithArticle(w.Occupation)), append(g.Women, w.Female)
		women[w.Occupation] = w.Female
	}
	lean := func(os []eval.Occupation, shares []float64) (b eval.Gender, r eval.Interval, err error) {
		if b, err = eval.GenderBias(os); err != nil {
			return b, r, err
		}
		r, err = eval.Correlated(b.Leans(), shares)
		return b, r, err
	}
	os, err := Occupations(m, names, Pairs, WorksAs)
	if err != nil {
		return g, err
	}
	if g.Terms, g.TermR, err = lean(os, g.Women); err != nil {
		return g, err
	}
	var asked []Schema
	for _, s := range schemata {
		if _, ok := women[s.Occupation]; ok {
			asked = append(asked, s)
		}
	}
	if os, err = Pronouns(m, asked); err != nil {
		return g, err
	}
	shares := make([]float64, len(os))
	for i, o := range os {
		shares[i] = women[o.Name]
	}
	g.Pronouns, g.PronounR, err = lean(os, shares)
	return g, err
}
