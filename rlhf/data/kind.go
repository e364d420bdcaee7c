package data

import (
	"bufio"
	"bytes"
	"io"
)

// IsText reports whether the files at path are text for a language model rather
// than comparisons: plain text, or JSON lines whose first row has no "rejected". A
// path that cannot be read is neither.
func IsText(path string) bool {
	paths, err := textFiles(path)
	if err != nil {
		return false
	}
	if !jsonLines(paths[0]) {
		return true
	}
	f, err := openTextFile(paths[0])
	if err != nil {
		return false
	}
	defer f.in.Close()
	in := bufio.NewReader(io.NewSectionReader(f.in, 0, maxLine))
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) == 0 && err == nil {
			continue
		}
		fields, objectErr := parseObject(line)
		_, compares := fields["rejected"]
		return objectErr == nil && !compares
	}
}
