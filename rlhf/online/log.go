package online

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readLog reads a log of JSON lines that will have total lines and is written part lines
// at a time; one that does not exist has none. What a killed writer left of a part is
// taken away, so that the log can be gone on with.
func readLog[T any](path string, part, total int) ([]T, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("online: %w", err)
	}
	var rows []T
	ends := []int{0} // ends[n] is the offset behind line n
	for {
		n := bytes.IndexByte(text[ends[len(rows)]:], '\n')
		if n < 0 {
			break
		}
		var row T
		at := ends[len(rows)]
		if err := json.Unmarshal(text[at:at+n], &row); err != nil {
			return nil, fmt.Errorf("online: %s:%d: %w; remove the file, and the loop makes it again", path, len(ends), err)
		}
		rows, ends = append(rows, row), append(ends, at+n+1)
	}
	if len(rows) > total {
		return nil, fmt.Errorf("online: %s has %d lines, want %d: it is of another loop; give this one another name", path, len(rows), total)
	}
	keep := len(rows)
	if keep < total {
		keep -= keep % part
	}
	if ends[keep] < len(text) {
		if err := os.Truncate(path, int64(ends[keep])); err != nil {
			return nil, fmt.Errorf("online: %w", err)
		}
	}
	return rows[:keep], nil
}

// appendLog adds lines to a log in one write.
func appendLog[T any](path string, rows []T) error {
	text, err := lines(rows)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return fmt.Errorf("online: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("online: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("online: %w", err)
	}
	return nil
}

// lines are rows as JSON, one a line, < and > as they are.
func lines[T any](rows []T) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, r := range rows {
		if err := e.Encode(r); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
