package run

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	metricsFile = "metrics.jsonl"
	samplesFile = "samples.jsonl"
)

// appendLine adds a line, its end included, in one write, so that no reader sees
// half of it. What a failed write leaves is taken back.
func (r *Run) appendLine(name string, line []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lockForWriting(); err != nil {
		return err
	}
	path := filepath.Join(r.dir, name)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return writeError(path, int64(len(line)), err)
	}
	before, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("run: %w", err), f.Close())
	}
	if _, err := f.Write(line); err != nil {
		return errors.Join(writeError(path, int64(len(line)), err), f.Truncate(before.Size()), f.Close())
	}
	if err := f.Close(); err != nil {
		return writeError(path, int64(len(line)), err)
	}
	return nil
}

// eachLine calls do with every line of a file, from 1, without its end. A file
// that does not exist has no lines; a last line without an end is one that is being
// written, or was when the writer died, and is passed over. The slice is only
// valid during the call.
func eachLine(path string, do func(number int, line []byte) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 64<<10)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("run: %s:%d: %w", path, number, err)
		}
		if err := do(number, line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// dropTornLine cuts a file after its last end of line.
func dropTornLine(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	keep, size, err := endOfLines(f)
	if err == nil && keep < size {
		err = f.Truncate(keep)
	}
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// endOfLines returns the offset behind the last end of line, searched from the
// end, and the size of the file.
func endOfLines(f *os.File) (end, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size = info.Size()
	block := make([]byte, 4<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(block)))
		part := block[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return start + int64(i) + 1, size, nil
		}
		end = start
	}
	return 0, size, nil
}

// lastLine returns the last line that has an end, without it; nil if there is none.
func lastLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	end, _, err := endOfLines(f)
	if err != nil {
		return nil, fmt.Errorf("run: %s: %w", path, err)
	}
	if end == 0 {
		return nil, nil
	}
	for size := min(end, 4<<10); ; size = min(end, 4*size) {
		part := make([]byte, size)
		if _, err := f.ReadAt(part, end-size); err != nil {
			return nil, fmt.Errorf("run: %s: %w", path, err)
		}
		part = part[:size-1] // without the last end of line
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 || size == end {
			return part[i+1:], nil
		}
	}
}

// keepLines rewrites a file so that it holds the lines for which keep is true, byte
// for byte.
func keepLines(path string, keep func(number int, line []byte) (bool, error)) error {
	var kept bytes.Buffer
	dropped := false
	err := eachLine(path, func(number int, line []byte) error {
		ok, err := keep(number, line)
		if ok {
			kept.Write(line)
			kept.WriteByte('\n')
		}
		dropped = dropped || !ok
		return err
	})
	if err != nil || !dropped {
		return err
	}
	return writeFile(path, path, kept.Bytes())
}
