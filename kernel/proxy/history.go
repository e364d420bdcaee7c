package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// maxHistory is the number of entries that opening a longer history keeps.
const maxHistory = 5000

// An Entry is one executed cell. An entry without Source opens a session.
type Entry struct {
	Session int    `json:"session"` // counts kernels, from 1
	Line    int    `json:"line"`    // execution count in the session
	Source  string `json:"source,omitempty"`
}

// A History is the list of executed cells that history_request asks for: one
// JSON object a line, appended to by every kernel of the user.
type History struct {
	path    string // empty: kept in memory only
	mu      sync.Mutex
	session int
	entries []Entry
}

// OpenHistory reads the file at path, creating it if need be, and opens a new
// session in it. Lines that do not parse are skipped and later dropped. The
// empty path is a history in memory.
func OpenHistory(path string) (*History, error) {
	h := &History{path: path, session: 1}
	if path == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("proxy: history: %w", err)
	}
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("proxy: history %s: lock: %w", path, err)
	}
	defer lock.Unlock()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("proxy: history: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, len(b)+1)
	for sc.Scan() {
		var e Entry
		if json.Unmarshal(sc.Bytes(), &e) != nil || e.Session < 1 {
			continue
		}
		h.session = max(h.session, e.Session+1)
		if e.Source != "" {
			h.entries = append(h.entries, e)
		}
	}
	if len(h.entries) > 2*maxHistory {
		h.entries = h.entries[len(h.entries)-maxHistory:]
		if err := h.rewrite(); err != nil {
			return nil, err
		}
	}
	return h, h.append(Entry{Session: h.session})
}

// rewrite replaces the file by the entries in memory. The caller holds the lock.
func (h *History) rewrite() error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, e := range h.entries {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("proxy: history %s: %w", h.path, err)
		}
	}
	tmp := h.path + ".new"
	if err := os.WriteFile(tmp, buf.Bytes(), 0o600); err != nil {
		return fmt.Errorf("proxy: history: %w", err)
	}
	if err := os.Rename(tmp, h.path); err != nil {
		return fmt.Errorf("proxy: history: %w", err)
	}
	return nil
}

// append writes one line; a single write to a file opened for appending does
// not mix with those of other kernels.
func (h *History) append(e Entry) error {
	if h.path == "" {
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("proxy: history %s: %w", h.path, err)
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("proxy: history: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("proxy: history: %w", err)
	}
	return nil
}

// Add records an executed cell of this session.
func (h *History) Add(line int, source string) error {
	if strings.TrimSpace(source) == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := Entry{Session: h.session, Line: line, Source: source}
	h.entries = append(h.entries, e)
	return h.append(e)
}

// A HistoryQuery is the content of a history_request. Outputs are not kept:
// Output only changes the form of the answer.
type HistoryQuery struct {
	Output  bool   `json:"output"`
	Access  string `json:"hist_access_type"` // range, tail (the default) or search
	Session int    `json:"session"`          // range: 0 is this session, -1 the one before
	Start   int    `json:"start"`            // range: first line
	Stop    int    `json:"stop"`             // range: line after the last; 0 is no limit
	N       int    `json:"n"`                // tail, search: at most so many, the latest; 0 is no limit
	Pattern string `json:"pattern"`          // search: a glob over the whole source
	Unique  bool   `json:"unique"`           // search: each source once, where it came last
}

// Query returns the answer's history, oldest first: [session, line, source]
// or, with Output, [session, line, [source, null]].
func (h *History) Query(q HistoryQuery) [][]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Entry
	switch q.Access {
	case "range":
		session := q.Session
		if session <= 0 {
			session += h.session
		}
		for _, e := range h.entries {
			if e.Session == session && e.Line >= q.Start && (q.Stop == 0 || e.Line < q.Stop) {
				found = append(found, e)
			}
		}
		q.N = 0
	case "search":
		seen := map[string]bool{}
		for _, e := range slices.Backward(h.entries) {
			if !glob(q.Pattern, e.Source) || q.Unique && seen[e.Source] {
				continue
			}
			seen[e.Source] = true
			found = append(found, e)
		}
		slices.Reverse(found)
	default:
		found = h.entries
	}
	if q.N > 0 && len(found) > q.N {
		found = found[len(found)-q.N:]
	}
	out := make([][]any, 0, len(found))
	for _, e := range found {
		if q.Output {
			out = append(out, []any{e.Session, e.Line, []any{e.Source, nil}})
		} else {
			out = append(out, []any{e.Session, e.Line, e.Source})
		}
	}
	return out
}

// glob matches as IPython does: * and ? over the whole source, newlines and
// slashes included. The empty pattern matches everything.
func glob(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	// path.Match stops * and ? at a slash: give it none.
	const noSlash = "\x00"
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", noSlash), strings.ReplaceAll(s, "/", noSlash))
	return err == nil && ok
}

// Restart opens a new session: line numbers begin at 1 again.
func (h *History) Restart() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.session++
	return h.append(Entry{Session: h.session})
}
