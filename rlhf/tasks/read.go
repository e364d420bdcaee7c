package tasks

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a line of a task's file in bytes.
const maxLine = 4 << 20

// Files are the names of the task files that a folder such as HHRLHF_DATA/eval holds, by the
// name of the task.
var Files = map[string]string{
	"mmlu": "mmlu.zip", "arc_easy": "arc_easy.jsonl", "arc_challenge": "arc_challenge.jsonl", "openbook_qa": "openbook_qa.jsonl",
	"hellaswag": "hellaswag_val_1k.jsonl", "lambada": "lambada_openai.jsonl", "triviaqa": "triviaqa_sm_sub.jsonl",
	"truthfulqa": "TruthfulQA.csv", "bbq_religion": "bbq_Religion.jsonl", "bbq_appearance": "bbq_Physical_appearance.jsonl",
}

// OpenNamed opens the task of that name, one of Files, in a folder.
func OpenNamed(folder, name string) (Task, error) {
	file, ok := Files[name]
	if !ok {
		return Task{}, fmt.Errorf("tasks: there is no task %q, want %s, or a file", name, strings.Join(Names(), ", "))
	}
	t, err := Open(filepath.Join(folder, file))
	t.Name = name
	return t, err
}

// Names are those of Files, in order.
func Names() []string {
	var names []string
	for name := range Files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Open reads a task's file, a .jsonl, .jsonl.gz, or MMLU's .zip, and says by its name, else
// by its first line, how it is asked.
func Open(path string) (Task, error) {
	base := filepath.Base(path)
	name, _, _ := strings.Cut(base, ".")
	if strings.HasSuffix(base, ".zip") {
		return openMMLU(path)
	}
	if strings.HasSuffix(base, ".csv") {
		return openTruthfulQA(path)
	}
	t := Task{Name: name}
	var read func(*row) Item
	err := eachRow(path, func(id string, r *row) (err error) {
		if read == nil {
			if read, err = t.recognise(*r); err != nil {
				return err
			}
		}
		it := read(r)
		it.ID = id
		t.Items = append(t.Items, it)
		return r.err
	})
	if err != nil {
		return Task{}, err
	}
	return t, nil
}

// eachRow reads the rows of a .jsonl or .jsonl.gz; the id of one is "file:line". A file without any
// is an error.
func eachRow(path string, do func(id string, r *row) error) error {
	base := filepath.Base(path)
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("tasks: %w", err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(base, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("tasks: %s: %w", path, err)
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	rows := 0
	for at := 1; lines.Scan(); at++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var r row
		err := json.Unmarshal(line, &r.fields)
		if err == nil && !utf8.Valid(line) {
			err = errors.New("not valid UTF-8")
		}
		if err == nil {
			err = do(fmt.Sprintf("%s:%d", base, at), &r)
		}
		if err != nil {
			return fmt.Errorf("tasks: %s:%d: %w", path, at, err)
		}
		rows++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("tasks: %s: %w (a line may have %d MiB)", path, err, maxLine>>20)
	}
	if rows == 0 {
		return fmt.Errorf("tasks: %s holds no item", path)
	}
	return nil
}

// recognise says by the fields of a row how the task is asked and its rows are read.
func (t *Task) recognise(r row) (func(*row) Item, error) {
	t.Format = Plain
	switch {
	case r.has("query", "choices", "gold"):
		t.Kind, t.Norm = Choice, Char
		if strings.HasPrefix(r.text("query"), "Question:") {
			t.Format = Answered
		}
		if t.Name == "arc_easy" {
			t.Norm = Sum
		}
		return func(r *row) Item {
			it := Item{Prompt: strings.TrimSpace(r.text("query")), Choices: r.texts("choices")}
			it.Gold = r.index("gold", len(it.Choices))
			return it
		}, nil
	case r.has("activity_label", "ctx_a", "ctx_b", "endings", "label"):
		t.Kind, t.Norm = Choice, Char
		return hellaSwag, nil
	case r.has(bbqFields...):
		t.Kind, t.Norm, t.Format = Choice, Sum, Answered
		return func(r *row) Item { it, _ := bbqItem(r); return it }, nil
	case r.has("context", "continuation"):
		t.Kind, t.WithExamples = Cloze, Blank
		return func(r *row) Item {
			return Item{Prompt: strings.TrimRight(r.text("context"), " "), Answers: []string{strings.TrimSpace(r.text("continuation"))}}
		}, nil
	case r.has("text"):
		t.Kind, t.WithExamples = Cloze, Blank
		return lastWord, nil
	case r.has("context", "answer", "aliases"):
		t.Kind, t.Format.Stops = Free, []string{"\n", ".", ","}
		return func(r *row) Item {
			return Item{Prompt: strings.TrimSpace(r.text("context")), Answers: append([]string{r.text("answer")}, r.texts("aliases")...)}
		}, nil
	}
	return nil, fmt.Errorf(`no task has the fields %q; want "query", "choices", "gold"; "activity_label", "ctx_a", "ctx_b", "endings", "label"; "context", "continuation"; "text"; "context", "answer", "aliases"; or BBQ's "context", "question", "ans0", "ans1", "ans2", "label" and the rest`, slices.Sorted(maps.Keys(r.fields)))
}

// lastWord reads a whole passage, whose last word is to be predicted from all before it.
func lastWord(r *row) Item {
	text := strings.TrimSpace(r.text("text"))
	at := strings.LastIndexAny(text, " \n")
	if r.err == nil && at < 0 {
		r.err = fmt.Errorf("%q is %.40q, want more than one word", "text", text)
	}
	return Item{Prompt: strings.TrimSpace(text[:max(at, 0)]), Answers: []string{text[at+1:]}}
}

var (
	wikiTitle = " [title]"
	bracketed = regexp.MustCompile(`\[.*?\]`)
)

// hellaSwag reads a row as the public harness does (tasks/hellaswag/utils.py): WikiHow's
// titles become full stops, what stands in brackets goes, the second half of the context
// begins with a capital, and the activity stands before it.
func hellaSwag(r *row) Item {
	clean := func(s string) string {
		s = bracketed.ReplaceAllString(strings.ReplaceAll(strings.TrimSpace(s), wikiTitle, ". "), "")
		return strings.ReplaceAll(s, "  ", " ")
	}
	half := []rune(strings.ToLower(r.maybe("ctx_b"))) // Python's capitalize lowers the rest
	if len(half) > 0 {
		half[0] = unicode.ToUpper(half[0])
	}
	it := Item{Group: r.text("activity_label"), Choices: r.texts("endings")}
	it.Prompt = strings.TrimRight(clean(it.Group+": "+r.text("ctx_a")+" "+string(half)), " ")
	for i, c := range it.Choices {
		it.Choices[i] = clean(c)
	}
	it.Gold = r.index("label", len(it.Choices))
	return it
}

// A row is one JSON object; what is read of it once err is set means nothing.
type row struct {
	fields map[string]json.RawMessage
	err    error
}

func (r *row) has(names ...string) bool {
	for _, n := range names {
		if r.fields[n] == nil {
			return false
		}
	}
	return true
}

func (r *row) read(name, want string, into any) {
	if r.err != nil {
		return
	}
	value := r.fields[name]
	if value == nil {
		r.err = fmt.Errorf("%q is missing, want %s", name, want)
	} else if json.Unmarshal(value, into) != nil || string(value) == "null" {
		r.err = fmt.Errorf("%q is %.60s, want %s", name, value, want)
	}
}

// maybe is a text that may be empty, text one that may not.
func (r *row) maybe(name string) (s string) {
	r.read(name, "a text", &s)
	return s
}

func (r *row) text(name string) string {
	s := r.maybe(name)
	if r.err == nil && strings.TrimSpace(s) == "" {
		r.err = fmt.Errorf("%q is %q, want a text that is not empty", name, s)
	}
	return s
}

func (r *row) texts(name string) (s []string) {
	r.read(name, "a list of texts", &s)
	if i := slices.IndexFunc(s, func(s string) bool { return strings.TrimSpace(s) == "" }); r.err == nil && (i >= 0 || len(s) == 0) {
		r.err = fmt.Errorf("%q is %.60s, want a list of texts that are not empty", name, r.fields[name])
	}
	return s
}

// index is a place in a list of n, given as a number or as the text of one.
func (r *row) index(name string, n int) (i int) {
	want := fmt.Sprintf("a number from 0 to %d", n-1)
	var s string
	if value := r.fields[name]; json.Unmarshal(value, &s) == nil && s != "" {
		if k, err := strconv.Atoi(s); err == nil {
			r.fields[name] = json.RawMessage(strconv.Itoa(k))
		}
	}
	r.read(name, want, &i)
	if r.err == nil && (i < 0 || i >= n) {
		r.err = fmt.Errorf("%q is %d, want %s", name, i, want)
	}
	return i
}
