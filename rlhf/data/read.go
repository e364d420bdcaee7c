package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// maxLine bounds one row, so that a file without line ends cannot fill memory.
const maxLine = 16 << 20

// A File is one file of comparisons.
type File struct {
	Path    string `json:"path"`
	Tranche string `json:"tranche"`        // e.g. "harmless-base"
	Part    string `json:"part,omitempty"` // "train" or "test" where the layout says so
}

// Files lists the files of comparisons at path, a file or a folder, in the order
// of their names, and the paths that it passed over.
func Files(path string) (files []File, passed []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w; give the path of a .jsonl or .jsonl.gz file, or of a folder with such files", err)
	}
	if !info.IsDir() {
		return []File{fileAt(path)}, nil, nil
	}
	root, err := filepath.EvalSymlinks(path) // WalkDir would not enter a link
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case p != root && d.IsDir() && (name == "red-team-attempts" || strings.HasPrefix(name, ".")):
			passed = append(passed, p)
			return fs.SkipDir
		case !d.IsDir() && !strings.HasPrefix(name, ".") && strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".jsonl"):
			files = append(files, fileAt(p))
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("data: reading the folder %s: %w", path, err)
	}
	if len(files) == 0 {
		return nil, passed, fmt.Errorf("data: no .jsonl or .jsonl.gz file in the folder %s; hh-rlhf has harmless-base/train.jsonl.gz and so on", path)
	}
	return files, passed, nil
}

func trimExt(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".jsonl")
}

func fileAt(path string) File {
	f := File{Path: path, Tranche: trimExt(filepath.Base(path))}
	if f.Tranche == "train" || f.Tranche == "test" {
		f.Part = f.Tranche
		if abs, err := filepath.Abs(path); err == nil {
			f.Tranche = filepath.Base(filepath.Dir(abs))
		}
	}
	return f
}

// Comparisons streams the comparisons at path, a file or a folder. A row at
// fault, broken or odd, comes as a [*RowError], after which the caller may go
// on; any other error is the last. Blank lines are passed over.
func Comparisons(path string) iter.Seq2[rlhf.Comparison, error] {
	return func(yield func(rlhf.Comparison, error) bool) {
		files, _, err := Files(path)
		if err != nil {
			yield(rlhf.Comparison{}, err)
			return
		}
		for _, f := range files {
			for row, err := range rows(f) {
				if !yield(row.Comparison, err) {
					return
				}
				if rowErr := (*RowError)(nil); err != nil && !errors.As(err, &rowErr) {
					return
				}
			}
		}
	}
}

// row is a comparison and what its line held beside it.
type row struct {
	rlhf.Comparison
	extra []string
}

func rows(f File) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for l, err := range fileLines(f.Path) {
			if err != nil {
				yield(row{}, err)
				return
			}
			c, extra, err := parseRow(l.text)
			if err != nil {
				c = rlhf.Comparison{}
			} else {
				c.Tranche, c.Source = f.Tranche, fmt.Sprintf("%s:%d", f.Path, l.number)
			}
			if !yield(row{c, extra}, l.fault(err)) {
				return
			}
		}
	}
}

// A fileLine is one line of a file.
type fileLine struct {
	path   string
	number int    // from 1
	text   []byte // valid until the next one
}

// fault says where a row is at fault.
func (l fileLine) fault(err error) error {
	if rowErr := (*RowError)(nil); errors.As(err, &rowErr) {
		rowErr.File, rowErr.Line = l.path, l.number
	}
	return err
}

// fileLines yields the lines of a file, plain or gzipped, without the blank ones. An error
// is the last.
func fileLines(path string) iter.Seq2[fileLine, error] {
	return func(yield func(fileLine, error) bool) {
		in, done, err := openPlain(path)
		if err != nil {
			yield(fileLine{}, err)
			return
		}
		defer done()
		for n := 1; ; n++ {
			line, err := readLine(in)
			if err != nil && err != io.EOF {
				yield(fileLine{}, fmt.Errorf("data: %s:%d: %w; the file is damaged or cut off, fetch it again", path, n, err))
				return
			}
			end := err == io.EOF
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(fileLine{path, n, line}, nil) || end {
				return
			}
		}
	}
}

// openPlain opens a file, gzipped or not, and refuses a pointer to one.
func openPlain(path string) (in *bufio.Reader, done func() error, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	in = bufio.NewReaderSize(file, 1<<16)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzip, err := gzip.NewReader(in)
		if err != nil {
			file.Close()
			return nil, nil, fmt.Errorf("data: %s: %w; the file is damaged, fetch it again", path, err)
		}
		in = bufio.NewReaderSize(unzip, 1<<16)
	}
	if head, _ := in.Peek(60); bytes.HasPrefix(head, []byte("version ")) && bytes.Contains(head, []byte("git-lfs")) {
		file.Close()
		return nil, nil, fmt.Errorf("data: %s is a Git LFS pointer, not the data; fetch the file itself (git lfs pull, or from the hub)", path)
	}
	return in, file.Close, nil
}

// readLine reads up to and including the line end, at most maxLine bytes.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if len(line)+len(piece) > maxLine {
			return nil, fmt.Errorf("the line is longer than %d MiB", maxLine>>20)
		}
		if err == nil && line == nil {
			return piece, nil
		}
		line = append(line, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// tranches lists the tranches of files, each once, in order.
func tranches(files []File) []string {
	var out []string
	for _, f := range files {
		if !slices.Contains(out, f.Tranche) {
			out = append(out, f.Tranche)
		}
	}
	return out
}
