package data

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// postMemory is about what a postSort holds in memory.
const postMemory = 32 << 20

// A postSort puts posts into the order of [byThread], however many they are: runs
// that fit into memory are sorted and written to a temporary file, then merged. It
// holds one run while posts are added and a buffer for each run while they are
// merged, of 4 KiB at least: a file of 100 GB has 3,000 runs, so 12 MB of buffers.
//
// The temporary file has no name any more, so that it goes when it is closed,
// however the process ends. Its size is that of the texts.
type postSort struct {
	memory int
	run    []post
	size   int // of run, in bytes
	file   *os.File
	ends   []int64 // where the runs end in the file
	buf    []byte
}

func newPostSort(memory int) (*postSort, error) {
	file, err := os.CreateTemp("", "rlhf-posts-*")
	if err != nil {
		return nil, fmt.Errorf("data: a temporary file to join answers and questions: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, fmt.Errorf("data: a temporary file to join answers and questions: %w", err)
	}
	return &postSort{memory: memory, file: file}, nil
}

func (s *postSort) close() { s.file.Close() }

func (s *postSort) add(p post) error {
	const header = 64 // a post without its text
	if size := header + len(p.text); s.size+size > s.memory {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.run = append(s.run, p)
	s.size += header + len(p.text)
	return nil
}

// flush writes the run to the file.
func (s *postSort) flush() error {
	if len(s.run) == 0 {
		return nil
	}
	slices.SortFunc(s.run, byThread)
	end := int64(0)
	if n := len(s.ends); n > 0 {
		end = s.ends[n-1]
	}
	out := bufio.NewWriterSize(s.file, 1<<16)
	for i := range s.run {
		p := &s.run[i]
		asks := int64(0)
		if p.asks {
			asks = 1
		}
		s.buf = s.buf[:0]
		for _, n := range []int64{p.question, p.id, asks, int64(p.votes), p.accepted, int64(p.line), int64(len(p.text))} {
			s.buf = binary.AppendVarint(s.buf, n)
		}
		out.Write(s.buf)
		out.WriteString(p.text)
		end += int64(len(s.buf) + len(p.text))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("data: writing a temporary file: %w; it needs as much room in %s as the texts of the dump", err, os.TempDir())
	}
	clear(s.run) // lets go of the texts
	s.run, s.size, s.ends = s.run[:0], 0, append(s.ends, end)
	return nil
}

// sorted yields all posts in order; an error is the last.
func (s *postSort) sorted() iter.Seq2[post, error] {
	return func(yield func(post, error) bool) {
		if err := s.flush(); err != nil {
			yield(post{}, err)
			return
		}
		s.run = nil
		var runs runHeap
		begin := int64(0)
		for _, end := range s.ends {
			size := min(64<<10, max(4<<10, s.memory/len(s.ends)))
			runs = append(runs, &postRun{in: bufio.NewReaderSize(io.NewSectionReader(s.file, begin, end-begin), size)})
			begin = end
		}
		for _, r := range runs {
			if _, err := r.next(); err != nil {
				yield(post{}, err)
				return
			}
		}
		heap.Init(&runs)
		for len(runs) > 0 {
			p, err := runs[0].take()
			more := false
			if err == nil {
				more, err = runs[0].next()
			}
			if !yield(p, err) || err != nil {
				return
			}
			if more {
				heap.Fix(&runs, 0)
			} else {
				heap.Pop(&runs)
			}
		}
	}
}

// A postRun reads one run. Its head is the next post, whose text is still unread:
// memory holds one text, not one of every run.
type postRun struct {
	in   *bufio.Reader
	head post
	text int // bytes
}

// next reads the head; more is false at the end.
func (r *postRun) next() (more bool, err error) {
	var n [7]int64
	for i := range n {
		if n[i], err = binary.ReadVarint(r.in); err != nil {
			if err == io.EOF && i == 0 {
				return false, nil
			}
			return false, tempError(err)
		}
	}
	r.head = post{question: n[0], id: n[1], asks: n[2] == 1, votes: int(n[3]), accepted: n[4], line: int(n[5])}
	r.text = int(n[6])
	return true, nil
}

// take returns the head with its text.
func (r *postRun) take() (post, error) {
	text := make([]byte, r.text)
	if _, err := io.ReadFull(r.in, text); err != nil {
		return post{}, tempError(err)
	}
	p := r.head
	p.text = string(text)
	return p, nil
}

func tempError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("data: reading a temporary file in %s: %w", os.TempDir(), err)
}

// A runHeap has the run with the first post at its top.
type runHeap []*postRun

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return byThread(h[i].head, h[j].head) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*postRun)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
