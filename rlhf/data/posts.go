package data

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A post is one row of a dump's Posts.xml.
type post struct {
	question int64 // the id of the question that it asks or answers; 0 in rows that do neither
	id       int64
	asks     bool
	votes    int
	accepted int64 // the id of the answer that a question has accepted; 0 for none
	line     int
	text     string // a question's is its title, a blank line and its body
}

// byThread orders posts by thread, the question first, then by id.
func byThread(a, b post) int {
	asks := 0
	if a.asks != b.asks {
		asks = 1
		if a.asks {
			asks = -1
		}
	}
	return cmp.Or(cmp.Compare(a.question, b.question), asks, cmp.Compare(a.id, b.id), cmp.Compare(a.line, b.line))
}

// posts streams the rows of a file. A row without a field that it needs comes as
// a [*RowError], after which the caller may go on; any other error is the last.
func posts(path string) iter.Seq2[post, error] {
	return func(yield func(post, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(post{}, fmt.Errorf("data: %w", err))
			return
		}
		defer file.Close()
		in, err := openDump(file)
		if err != nil {
			yield(post{}, fmt.Errorf("data: %s %w", path, err))
			return
		}
		limited := &rowReader{in: in}
		dec := xml.NewDecoder(limited)
		for depth, roots := 0, 0; ; {
			limited.read = 0
			line, _ := dec.InputPos()
			token, err := dec.Token()
			if err == io.EOF && roots > 0 {
				return
			}
			if err != nil {
				at, _ := dec.InputPos()
				yield(post{}, brokenXML(path, at, err))
				return
			}
			switch tok := token.(type) {
			case xml.EndElement:
				depth--
			case xml.StartElement:
				want := []string{"posts", "row", "no element within a row"}[depth]
				if tok.Name.Local != want || depth == 0 && roots > 0 {
					yield(post{}, fmt.Errorf("data: %s:%d: element <%s>, want %s; a dump is one <posts> with a <row .../> for every post", path, line, tok.Name.Local, want))
					return
				}
				if depth++; depth == 1 {
					roots++
					continue
				}
				p, err := parsePost(tok.Attr)
				if rowErr := (*RowError)(nil); errors.As(err, &rowErr) {
					rowErr.File, rowErr.Line = path, line
				}
				p.line = line
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// openDump looks through gzip, and says what else is no dump.
func openDump(file io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(file, 1<<16)
	head, _ := in.Peek(64)
	switch {
	case bytes.HasPrefix(head, []byte("7z\xbc\xaf")):
		return nil, errors.New("is a 7z archive; unpack it and read its Posts.xml")
	case bytes.HasPrefix(head, []byte("version ")) && bytes.Contains(head, []byte("git-lfs")):
		return nil, errors.New("is a Git LFS pointer, not the data; fetch the file itself (git lfs pull)")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("is damaged: %w; fetch it again", err)
		}
		return bufio.NewReaderSize(unzip, 1<<16), nil
	}
	return in, nil
}

// A rowReader refuses to read more than maxLine bytes between two tokens.
type rowReader struct {
	in   *bufio.Reader
	read int
}

func (r *rowReader) ReadByte() (byte, error) {
	if r.read++; r.read > maxLine {
		return 0, errLongRow
	}
	return r.in.ReadByte()
}

// Read is there for xml.NewDecoder, which reads byte by byte where it can.
func (r *rowReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p[:min(len(p), maxLine)])
	r.read += n
	return n, err
}

var errLongRow = errors.New("row too long")

func brokenXML(path string, line int, err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errLongRow):
		return fmt.Errorf("data: %s:%d: the row is longer than %d MiB; delete it", path, line, maxLine>>20)
	case errors.As(err, &syntax):
		return fmt.Errorf("data: %s:%d: broken XML: %s; repair the row, or fetch the file again", path, syntax.Line, syntax.Msg)
	case err == io.EOF:
		return fmt.Errorf("data: %s:%d: no <posts> in the file; a dump is one <posts> with a <row .../> for every post", path, line)
	}
	return fmt.Errorf("data: %s:%d: %w; the file is damaged or cut off, fetch it again", path, line, err)
}

// parsePost reads a row's attributes. The error is a *RowError without File and
// Line.
func parsePost(attrs []xml.Attr) (p post, err error) {
	fields := make(map[string]string, len(attrs))
	for _, a := range attrs {
		fields[a.Name.Local] = a.Value
	}
	number := func(name string, least int) int {
		if err != nil {
			return 0
		}
		s, found := fields[name]
		n, wrong := strconv.Atoi(s)
		switch {
		case !found:
			err = fault(name, BrokenField, "write it, or delete the row", "row %s: missing; the row has %q", excerpt(fields["Id"]), slices.Sorted(maps.Keys(fields)))
		case wrong != nil || n < least:
			err = fault(name, BrokenField, "repair it, or delete the row", "row %s: is %s, want a whole number, at least %d", excerpt(fields["Id"]), excerpt(s), least)
		}
		return n
	}
	p.id = int64(number("Id", 1))
	kind := number("PostTypeId", 1)
	if err != nil || kind != 1 && kind != 2 {
		return p, err
	}
	p.votes = number("Score", -1<<31)
	p.text = plainText(fields["Body"])
	if p.asks = kind == 1; p.asks {
		p.question = p.id
		p.text = strings.TrimSpace(strings.TrimSpace(fields["Title"]) + "\n\n" + p.text)
		if _, found := fields["AcceptedAnswerId"]; found {
			p.accepted = int64(number("AcceptedAnswerId", 1))
		}
		return p, err
	}
	if p.question = int64(number("ParentId", 1)); err == nil && p.question == p.id {
		err = fault("ParentId", BrokenField, "repair it, or delete the row", `row "%d": answers itself`, p.id)
	}
	return p, err
}
