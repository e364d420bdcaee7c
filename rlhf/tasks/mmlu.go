package tasks

import (
	"archive/zip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// mmluChoices is how many choices a question has.
const mmluChoices = 4

// openMMLU reads the questions of all subjects, the test set's, with the development set's
// as examples.
func openMMLU(file string) (Task, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return Task{}, fmt.Errorf("tasks: %s: %w", file, err)
	}
	defer z.Close()
	t := Task{Name: "mmlu", Kind: Choice, Format: hendrycks, Norm: Sum, Fixed: true, Examples: []Item{}}
	for _, f := range z.File { // by set and subject, as the archive has them
		set := path.Base(path.Dir(f.Name))
		subject, isCSV := strings.CutSuffix(path.Base(f.Name), "_"+set+".csv")
		if !isCSV || set != "dev" && set != "test" {
			continue
		}
		items, err := mmluSubject(f, subject)
		if err != nil {
			return Task{}, fmt.Errorf("tasks: %s: %w", file, err)
		}
		if set == "dev" {
			t.Examples = append(t.Examples, items...)
		} else {
			t.Items = append(t.Items, items...)
		}
	}
	if len(t.Items) == 0 {
		return Task{}, fmt.Errorf("tasks: %s holds no …/test/SUBJECT_test.csv; want MMLU's data as published", filepath.Base(file))
	}
	return t, nil
}

// mmluSubject reads one subject's file: question, four choices, the right one's letter.
func mmluSubject(f *zip.File, subject string) ([]Item, error) {
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	defer in.Close()
	rows := csv.NewReader(io.LimitReader(in, maxLine<<4))
	rows.FieldsPerRecord = -1
	var items []Item
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		line, _ := rows.FieldPos(0)
		fail := func(format string, args ...any) ([]Item, error) {
			return nil, fmt.Errorf("%s:%d: "+format, append([]any{f.Name, line}, args...)...)
		}
		if len(fields) != mmluChoices+2 {
			return fail("%d fields, want a question, %d choices and a letter", len(fields), mmluChoices)
		}
		it := Item{ID: fmt.Sprintf("%s:%d", path.Base(f.Name), line), Group: subject, Prompt: fields[0], Choices: fields[1 : mmluChoices+1]}
		if it.Gold = strings.Index(letters[:mmluChoices], fields[mmluChoices+1]); it.Gold < 0 || len(fields[mmluChoices+1]) != 1 {
			return fail("field %d, the right choice, is %q, want one letter of %s", mmluChoices+2, fields[mmluChoices+1], letters[:mmluChoices])
		}
		for i, s := range fields {
			if !utf8.ValidString(s) || strings.TrimSpace(s) == "" {
				return fail("field %d is %.40q, want a text in UTF-8 that is not empty", i+1, s)
			}
		}
		items = append(items, it)
	}
}
