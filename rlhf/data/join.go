package data

import (
	"errors"
	"fmt"
	"iter"
)

// maxThread bounds the posts that are joined, so that one question cannot fill memory.
const maxThread = 64 << 20

// joined is a thread and the row ids of its answers; beside an error, of the row at
// fault.
type joined struct {
	Thread
	ids []int64
}

// join yields the threads of a file, of its first limit rows unless that is 0, and
// counts the rows that it reads.
func join(path string, memory, limit int, rows *int) iter.Seq2[joined, error] {
	return func(yield func(joined, error) bool) {
		sorter, err := newPostSort(memory)
		if err != nil {
			yield(joined{}, err)
			return
		}
		defer sorter.close()
		for p, err := range posts(path) {
			rowErr := (*RowError)(nil)
			isRow := errors.As(err, &rowErr)
			if err == nil || isRow {
				*rows++
			}
			if err == nil && p.question != 0 {
				err = sorter.add(p)
			}
			if err != nil && (!yield(joined{ids: []int64{p.id}}, err) || !isRow) {
				return
			}
			if *rows == limit {
				break
			}
		}
		for group, err := range groups(path, sorter.sorted()) {
			if err != nil {
				yield(joined{}, err)
				return
			}
			for t, err := range thread(path, group) {
				if !yield(t, err) {
					return
				}
			}
		}
	}
}

// groups cuts sorted posts into those of one question each; an error is the last.
func groups(path string, sorted iter.Seq2[post, error]) iter.Seq2[[]post, error] {
	return func(yield func([]post, error) bool) {
		var group []post
		size := 0
		for p, err := range sorted {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(group) > 0 && group[0].question != p.question {
				if !yield(group, nil) {
					return
				}
				group, size = nil, 0
			}
			group = append(group, p)
			if size += len(p.text); size > maxThread {
				yield(nil, fmt.Errorf("data: %s: question %d and its answers are longer than %d MiB; delete some", path, p.question, maxThread>>20))
				return
			}
		}
		if len(group) > 0 {
			yield(group, nil)
		}
	}
}

// thread makes one thread of the posts of a question, the question first. What is
// at fault in them comes before it.
func thread(path string, group []post) iter.Seq2[joined, error] {
	return func(yield func(joined, error) bool) {
		reject := func(p post, field string, kind Kind, cure, problem string, args ...any) bool {
			err := fault(field, kind, cure, "row \"%d\": %s", p.id, fmt.Sprintf(problem, args...)).(*RowError)
			err.File, err.Line = path, p.line
			return yield(joined{ids: []int64{p.id}}, err)
		}
		question := group[0]
		t := joined{Thread: Thread{Question: question.text, Source: fmt.Sprintf("%s:%d", path, question.id)}}
		lacks, seen, texts := !question.asks, map[int64]bool{}, map[string]int64{}
		for i, p := range group {
			kind, problem, cure := checkText(p.text)
			twin, same := texts[p.text]
			ok := true
			switch {
			case !question.asks:
				ok = reject(p, "ParentId", OddOrphan, "delete the row, or add its question", "answers row %d, which is no question of the file", p.question)
			case seen[p.id] || p.asks && i > 0:
				ok = reject(p, "Id", BrokenField, "delete one of the rows", "another row has this Id")
			case problem != "":
				lacks = lacks || p.asks || kind == OddMarker
				ok = reject(p, "Body", kind, cure, "%s", problem)
			case same:
				ok = reject(p, "Body", OddIdentical, "delete one of the rows", "is the text of row %d too", twin)
			case !p.asks:
				t.Answers = append(t.Answers, Answer{Text: p.text, Votes: p.votes, Accepted: p.id == question.accepted})
				t.ids = append(t.ids, p.id)
				texts[p.text] = p.id
			}
			if seen[p.id] = true; !ok {
				return
			}
		}
		if !lacks {
			yield(t, nil)
		}
	}
}
