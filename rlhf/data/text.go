package data

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"
)

// The separators of plain text that OpenText looks for.
const (
	EndOfText = "<|endoftext|>"
	BlankLine = "\n\n"
)

const (
	minWindow = 4 << 10
	maxWindow = 64 << 10
	maxFaults = 100 // bad lines that a report quotes; all are counted
	sniff     = 1 << 20
)

// TextOptions of OpenText. The zero value reads everything.
type TextOptions struct {
	// Window is the size of a window in bytes. 0: a thousandth of the whole,
	// between 4 KiB and 64 KiB.
	Window int
	// Separator stands between the documents of plain text. "": EndOfText where
	// the first MiB of a file holds one, else a blank line.
	Separator string
	// HeldOut is the fraction kept from training, in [0, 0.5]: of the windows of
	// plain text, of the documents of JSON lines. 0: none.
	HeldOut float64
	// Seed decides what is held out.
	Seed uint64
}

// A Text is a corpus on disk, of any size, read in windows: it holds no more
// than a window or two in memory, and any window can be read at any time.
//
// The files, *.txt or *.jsonl (and either with .gz), are cut into windows of
// equal size. A line belongs to the window in which it begins; so no byte is read
// twice or left out, and two windows never overlap. A window of plain text that
// has no line end is taken as it is, cut between characters.
//
// A gzip file cannot be entered in its middle: it is unpacked once, from front to
// back, into a temporary file without a name, which needs its unpacked size on
// disk for as long as the Text is open.
//
// Methods are safe for concurrent use.
type Text struct {
	files     []*textFile
	lines     bool // JSON lines, not plain text
	separator string
	window    int64
	windows   int // of all files
	heldOut   float64
	seed      uint64
	report    textReport
}

type textFile struct {
	path  string
	in    *os.File
	size  int64
	first int // the index of its first window
}

// A TextReport accounts for the JSON lines met so far, each once however often
// its window was read.
type TextReport struct {
	Lines  int         `json:"lines"`
	Bad    int         `json:"bad"`              // lines that were passed over
	Faults []*RowError `json:"faults,omitempty"` // the first hundred of them, with file and line
}

type textReport struct {
	TextReport
	mu   sync.Mutex
	seen []uint64 // a bit per window: its lines are counted
}

func (r *textReport) visit(window int) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bit := uint64(1) << (window % 64)
	first = r.seen[window/64]&bit == 0
	r.seen[window/64] |= bit
	return first
}

// OpenText opens the corpus at path, a file or a folder of files of one kind.
func OpenText(path string, o TextOptions) (*Text, error) {
	if o.Window < 0 || o.HeldOut < 0 || o.HeldOut > 0.5 || math.IsNaN(o.HeldOut) {
		return nil, fmt.Errorf("data: TextOptions.Window = %d, HeldOut = %v, want 0 or more, and in [0, 0.5]", o.Window, o.HeldOut)
	}
	paths, err := textFiles(path)
	if err != nil {
		return nil, err
	}
	t := &Text{separator: o.Separator, heldOut: o.HeldOut, seed: o.Seed, lines: jsonLines(paths[0])}
	for _, p := range paths {
		if jsonLines(p) != t.lines {
			t.Close()
			return nil, fmt.Errorf("data: %s holds JSON lines (%s) and plain text (%s); open each by itself and mix them", path, paths[0], p)
		}
		f, err := openTextFile(p)
		if err != nil {
			t.Close()
			return nil, err
		}
		t.files = append(t.files, f)
	}
	if err := t.prepare(path, o.Window); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// prepare chooses separator and window, numbers the windows, and reads until it
// has found a document to train on.
func (t *Text) prepare(path string, window int) error {
	if t.window = int64(window); window == 0 {
		t.window = max(minWindow, min(maxWindow, t.Bytes()/1000))
	}
	head := make([]byte, min(sniff, t.files[0].size))
	if _, err := io.ReadFull(io.NewSectionReader(t.files[0].in, 0, t.files[0].size), head); err != nil {
		return fmt.Errorf("data: %s: %w", t.files[0].path, err)
	}
	if bytes.HasPrefix(head, []byte("version ")) && bytes.Contains(head, []byte("git-lfs")) {
		return fmt.Errorf("data: %s is a Git LFS pointer, not the data; fetch the file itself (git lfs pull, or from the hub)", t.files[0].path)
	}
	if t.separator == "" {
		t.separator = BlankLine
		for _, sep := range []string{EndOfText, "\r\n\r\n"} {
			if bytes.Contains(head, []byte(sep)) {
				t.separator = sep
				break
			}
		}
	}
	for _, f := range t.files {
		f.first = t.windows
		t.windows += int((f.size + t.window - 1) / t.window)
	}
	if t.windows == 0 {
		return fmt.Errorf("data: %s is empty", path)
	}
	t.report.seen = make([]uint64, t.windows/64+1)
	if t.heldOut > 0 && !t.lines && t.windows < 2 {
		return fmt.Errorf("data: %s has a single window of %d bytes, so nothing can be held out; set a smaller Window", path, t.window)
	}
	for i := range min(t.Windows(), 64) {
		docs, err := t.Window(i)
		if err != nil {
			return err
		}
		if len(docs) > 0 {
			return nil
		}
		if r := t.Report(); r.Bad > 0 {
			return fmt.Errorf("data: no document before the first bad line: %w", r.Faults[0])
		}
	}
	return fmt.Errorf("data: no document in the first windows of %s", path)
}

// textFiles lists the files of a corpus in the order of their names.
func textFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w; give the path of a .txt or .jsonl file (.gz too), or of a folder with such files", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	root, err := filepath.EvalSymlinks(path) // WalkDir would not enter a link
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var out []string
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		name := d.Name()
		ext := filepath.Ext(strings.TrimSuffix(name, ".gz"))
		switch {
		case err != nil:
			return err
		case p != root && d.IsDir() && (name == "red-team-attempts" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case !d.IsDir() && !strings.HasPrefix(name, ".") && (ext == ".txt" || ext == ".jsonl"):
			out = append(out, p)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("no .txt or .jsonl file (.gz too) in it")
	}
	if err != nil {
		return nil, fmt.Errorf("data: reading the folder %s: %w", path, err)
	}
	return out, nil
}

func jsonLines(path string) bool {
	return filepath.Ext(strings.TrimSuffix(path, ".gz")) == ".jsonl"
}

func openTextFile(path string) (*textFile, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	magic := make([]byte, 2)
	if n, _ := in.ReadAt(magic, 0); n == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := unpack(in)
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("data: %s: %w; the file is damaged or cut off, or the disk is full", path, err)
		}
		in = unpacked
	}
	info, err := in.Stat()
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("data: %w", err)
	}
	return &textFile{path: path, in: in, size: info.Size()}, nil
}

// unpack writes the content of a gzip file to a temporary file that has no name
// any more, so that it goes when it is closed, however the process ends.
func unpack(in io.Reader) (*os.File, error) {
	unzip, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	out, err := os.CreateTemp("", "rlhf-text-*")
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(out, unzip)
	if err = errors.Join(err, os.Remove(out.Name())); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// Close closes the files.
func (t *Text) Close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.in.Close())
	}
	return errors.Join(errs...)
}

// Bytes is the size of the corpus, unpacked.
func (t *Text) Bytes() int64 {
	n := int64(0)
	for _, f := range t.files {
		n += f.size
	}
	return n
}

// Sum is the SHA-256 of the contents in hexadecimal, unpacked, file after file.
// It reads everything.
func (t *Text) Sum() (string, error) {
	h := sha256.New()
	for _, f := range t.files {
		if _, err := io.Copy(h, io.NewSectionReader(f.in, 0, f.size)); err != nil {
			return "", fmt.Errorf("data: %s: %w", f.path, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Report accounts for the JSON lines met so far.
func (t *Text) Report() TextReport {
	t.report.mu.Lock()
	defer t.report.mu.Unlock()
	r := t.report.TextReport
	r.Faults = append([]*RowError(nil), r.Faults...)
	return r
}

// read returns the text of one window and the few bytes that follow it.
func (t *Text) read(w int) (f *textFile, text, after []byte, at int64, err error) {
	i := len(t.files) - 1
	for t.files[i].first > w {
		i--
	}
	f = t.files[i]
	if info, err := f.in.Stat(); err != nil || info.Size() != f.size {
		return nil, nil, nil, 0, fmt.Errorf("data: %s was changed while it was read (%d bytes at first)", f.path, f.size)
	}
	at, ok, err := t.start(f, w-f.first)
	if err != nil || !ok {
		return f, nil, nil, at, err
	}
	end, found := f.size, false
	for next := w - f.first + 1; !found && int64(next)*t.window < f.size; next++ {
		if end, found, err = t.start(f, next); err != nil {
			return f, nil, nil, at, err
		}
		if !found {
			end = f.size
		}
		if int64(next)*t.window-at > maxLine {
			return f, nil, nil, at, fmt.Errorf("data: %s: a line in the %d bytes from byte %d on is longer than %d MiB; cut it", f.path, maxLine, at, maxLine>>20)
		}
	}
	buf := make([]byte, min(end+int64(len(t.separator)), f.size)-at)
	if _, err := io.ReadFull(io.NewSectionReader(f.in, at, int64(len(buf))), buf); err != nil {
		return f, nil, nil, at, fmt.Errorf("data: %s: %w", f.path, err)
	}
	return f, buf[:end-at], buf[end-at:], at, nil
}

// start is where the text of a file's window i begins; ok is false where it has none.
func (t *Text) start(f *textFile, i int) (at int64, ok bool, err error) {
	if i == 0 {
		return 0, true, nil
	}
	begin := int64(i) * t.window
	end := min(begin+t.window, f.size)
	piece := make([]byte, min(4<<10, t.window))
	for pos := begin - 1; pos < end-1; pos += int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), end-1-pos)]
		if _, err := f.in.ReadAt(piece, pos); err != nil {
			return 0, false, fmt.Errorf("data: %s: %w", f.path, err)
		}
		if n := bytes.IndexByte(piece, '\n'); n >= 0 {
			return pos + int64(n) + 1, true, nil
		}
	}
	if t.lines {
		return 0, false, nil
	}
	next := piece[:min(int64(utf8.UTFMax), end-begin)]
	if _, err := f.in.ReadAt(next, begin); err != nil {
		return 0, false, fmt.Errorf("data: %s: %w", f.path, err)
	}
	for n, b := range next {
		if utf8.RuneStart(b) {
			return begin + int64(n), true, nil
		}
	}
	return begin, true, nil
}

// lineAt is the number, from 1, of the line that begins at byte at. It reads the
// file from its start.
func (f *textFile) lineAt(at int64) (int, error) {
	n := 1
	buf := make([]byte, 64<<10)
	in := io.NewSectionReader(f.in, 0, at)
	for {
		k, err := in.Read(buf)
		n += bytes.Count(buf[:k], []byte("\n"))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
