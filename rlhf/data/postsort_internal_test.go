package data

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Sorting on disk in many runs is sorting in memory.
func TestPostSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 1000} {
		var want []post
		for i := range n {
			p := post{question: 1 + rng.Int64N(200), id: 1 + rng.Int64N(1<<40), votes: int(rng.Int64N(9)) - 4, line: i, text: strings.Repeat("é", rng.IntN(50))}
			if rng.IntN(5) == 0 {
				p.id, p.asks, p.accepted = p.question, true, rng.Int64N(9)
			}
			want = append(want, p)
		}
		for _, memory := range []int{1, 4 << 10, 1 << 30} {
			s, err := newPostSort(memory)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range want {
				if err := s.add(p); err != nil {
					t.Fatal(err)
				}
			}
			var got []post
			for p, err := range s.sorted() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p)
			}
			s.close()
			sorted := slices.SortedFunc(slices.Values(want), byThread)
			if !reflect.DeepEqual(got, sorted) {
				t.Errorf("%d posts in memory of %d bytes: %d come out, or in another order", n, memory, len(got))
			}
		}
	}
}

// bigDump writes a gzipped dump of n questions with two answers each, 4 KB a post,
// all answers before all questions. Every 500th row lacks its Score, so that the
// reader hears of it while it is still reading.
func bigDump(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.Posts.xml.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	unbuffered, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(unbuffered)
	body := strings.Repeat("word ", 800)
	fmt.Fprintln(out, "<posts>")
	for i := range 2 * n {
		fmt.Fprintf(out, `<row Id="%d" PostTypeId="2" ParentId="%d" Score="%d" Body="%d %s"/>`+"\n", 1000000+i, 1+i%n, i/n, i, body)
		if i%500 == 0 {
			fmt.Fprintf(out, `<row Id="%d" PostTypeId="2" ParentId="1" Body=""/>`+"\n", 9000000+i)
		}
	}
	for i := range n {
		fmt.Fprintf(out, `<row Id="%d" PostTypeId="1" Score="0" Body="%s"/>`+"\n", 1+i, body)
	}
	fmt.Fprintln(out, "</posts>")
	if err := errors.Join(out.Flush(), unbuffered.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// Memory does not grow with the file: live heap while rows are read and while
// threads are merged, at 6 and at 48 MB. The temporary file has no name, so nothing
// is left of it, nor seen, also where the caller breaks off.
func TestThreadsInLittleMemory(t *testing.T) {
	live := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	var peaks []int64
	for _, n := range []int{500, 4000} {
		path := bigDump(t, n)
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		before, peak, threads, broken, rows := live(), int64(0), 0, 0, 0
		for th, err := range join(path, 1<<20, 0, &rows) {
			if rowErr := (*RowError)(nil); errors.As(err, &rowErr) {
				broken++
				peak = max(peak, live()-before)
				continue
			}
			if err != nil || len(th.Answers) != 2 || th.Answers[1].Votes != 1 {
				t.Fatalf("thread %d: %d answers, %v", threads, len(th.Answers), err)
			}
			if threads++; threads%(n/10) == 0 {
				peak = max(peak, live()-before)
				if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
					t.Fatalf("temporary files %v, %v", left, err)
				}
			}
		}
		if threads != n || broken != n/250 || rows != 3*n+broken {
			t.Errorf("%d threads, %d broken and %d rows of %d questions", threads, broken, rows, n)
		}
		peaks = append(peaks, peak)
	}
	t.Logf("peaks of the live heap: %d and %d KiB", peaks[0]>>10, peaks[1]>>10)
	if peaks[1] > peaks[0]+2<<20 || peaks[1] > 8<<20 {
		t.Errorf("the heap grows with the file: %d bytes, then %d for eight times as many rows", peaks[0], peaks[1])
	}
}

// An open file is a descriptor; none may be left, however reading ends.
func TestThreadsCloseFiles(t *testing.T) {
	const descriptors = "/proc/self/fd"
	open := func() int {
		fds, err := os.ReadDir(descriptors)
		if err != nil {
			t.Skip("open files cannot be counted here: ", err)
		}
		return len(fds)
	}
	path := bigDump(t, 600)
	broken := filepath.Join(t.TempDir(), "broken.Posts.xml")
	if err := os.WriteFile(broken, []byte("<posts><row Id='1' PostTypeId='1' Score='1' Body='x'/><row"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := open()
	for range Threads(path) { // breaks off while rows are read
		break
	}
	for _, err := range Threads(path) { // and while threads are merged
		if err == nil {
			break
		}
	}
	for range Threads(broken) {
	}
	if after := open(); after != before {
		t.Errorf("%d files are open, %d before", after, before)
	}
}

func TestThreadsNeedRoom(t *testing.T) {
	path := bigDump(t, 1)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	for th, err := range Threads(path) {
		if err == nil || !strings.HasPrefix(err.Error(), "data: a temporary file to join answers and questions: ") {
			t.Errorf("%+v, %v", th, err)
		}
	}
}
