package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Log is a file of records, one JSON object a line, that is only added to. Any number of
// processes may have it open and add to it: a line is written whole, under a lock, and is
// on the disk when [Log.Append] returns. It is safe for use by several goroutines.
type Log struct {
	path string

	mu    sync.Mutex
	read  int64 // bytes that state has taken in
	lines int
	state *State
}

// OpenLog opens the log at path, or makes it. What a killed writer left of a line is taken
// away: it was never acknowledged.
func OpenLog(path string) (*Log, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("feedback: %w", err)
	}
	l := &Log{path: path, state: newState()}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("feedback: %w", err)
	}
	err = l.locked(func(f *os.File) error {
		_, err := heal(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	_, err = l.State()
	return l, err
}

// Path is the file.
func (l *Log) Path() string { return l.path }

// locked runs do with the file open and locked against other writers.
func (l *Log) locked(do func(*os.File) error) error {
	_, statErr := os.Lstat(l.path)
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("feedback: %w", err)
	}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		f.Close()
		return fmt.Errorf("feedback: %s is not a file; give the path of a file that ends in .jsonl, it is made if there is none", l.path)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err == nil && errors.Is(statErr, os.ErrNotExist) {
		err = syncDir(filepath.Dir(l.path)) // or the file's name could be lost with the power
	}
	if err == nil {
		err = do(f)
	}
	if err = errors.Join(err, f.Close()); err != nil { // which unlocks
		return fmt.Errorf("feedback: %s: %w", l.path, err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// heal makes the file end with a whole line and returns its length. A last line that lacks
// nothing but its end gets that; a piece of one goes.
func heal(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	var tail []byte
	at := size
	for at > 0 {
		n := min(at, 1<<16)
		piece := make([]byte, n)
		if _, err := f.ReadAt(piece, at-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(piece, '\n'); i >= 0 {
			tail = append(piece[i+1:], tail...)
			at += int64(i+1) - n
			break
		}
		tail, at = append(piece, tail...), at-n
		if len(tail) > maxLine {
			return 0, fmt.Errorf("its last line is longer than %d MiB: it is no log of votes; give another path", maxLine>>20)
		}
	}
	if len(tail) == 0 {
		return size, nil
	}
	var r Record
	if json.Unmarshal(tail, &r) == nil && r.check() == nil {
		_, err := f.WriteAt([]byte("\n"), size)
		return size + 1, err
	}
	if tail[0] != '{' {
		return 0, fmt.Errorf("it ends with %s: it is no log of votes; give another path", excerpt(string(tail[:min(len(tail), 200)])))
	}
	return at, f.Truncate(at)
}

// maxLine bounds a line of a log.
const maxLine = 32 << 20

// badRecord is the error of a record that no log takes.
type badRecord struct{ error }

// IsBad says whether an error of [Log.Append] is of the record, not of the disk.
func IsBad(err error) bool { return errors.As(err, &badRecord{}) }

// Append adds records, all or none. When it returns without an error they are on the disk.
func (l *Log) Append(rs ...Record) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	now := time.Now().UTC().Round(time.Millisecond)
	for _, r := range rs {
		r = r.valid()
		if r.Time.IsZero() {
			r.Time = now
		}
		if err := r.check(); err != nil {
			return badRecord{err}
		}
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("feedback: %w", err)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return l.locked(func(f *os.File) error {
		end, err := heal(f)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(b.Bytes(), end)
		if err = errors.Join(err, f.Sync()); err != nil {
			// Part of it may be in the file; without it, the next line is whole.
			return errors.Join(fmt.Errorf("nothing was recorded: %w", err), f.Truncate(end))
		}
		return nil
	})
}

// AppendNew is Append without the conversations and questions that the log has already, by
// their ID. One that it has with other texts is an error: votes were given on those.
func (l *Log) AppendNew(rs ...Record) error {
	s, err := l.State()
	if err != nil {
		return err
	}
	var fresh []Record
	for _, r := range rs {
		r = r.valid()
		if r.Question != nil {
			old, there := s.Question(r.Question.ID)
			if there && !old.same(*r.Question) {
				return fmt.Errorf("feedback: %s has a question %q with other texts; give this one another ID", l.path, old.ID)
			}
			if there {
				continue
			}
		}
		if r.Conversation != nil {
			if _, there := s.Conversation(r.Conversation.ID); there {
				continue
			}
		}
		fresh = append(fresh, r)
	}
	return l.Append(fresh...)
}

// State is what the log says now. It takes in what has been added since, by whomever, and
// does not change afterwards.
func (l *Log) State() (*State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("feedback: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("feedback: %w", err)
	}
	if info.Size() < l.read {
		return nil, fmt.Errorf("feedback: %s has become shorter: somebody replaced it; open it again", l.path)
	}
	if info.Size() == l.read {
		return l.state, nil
	}
	text, err := io.ReadAll(io.NewSectionReader(f, l.read, info.Size()-l.read))
	if err != nil {
		return nil, fmt.Errorf("feedback: %s: %w", l.path, err)
	}
	state, read, lines := l.state.clone(), l.read, l.lines
	for {
		n := bytes.IndexByte(text, '\n')
		if n < 0 {
			break // somebody is writing it
		}
		line := text[:n]
		text = text[n+1:]
		if len(bytes.TrimSpace(line)) > 0 {
			var r Record
			err := json.Unmarshal(line, &r)
			if err == nil {
				err = r.check()
			}
			if err != nil {
				return nil, fmt.Errorf("feedback: %s:%d: %w; repair or delete the line", l.path, lines+1, err)
			}
			state.add(r)
		}
		lines++
		read += int64(n) + 1
	}
	l.state, l.read, l.lines = state, read, lines
	return state, nil
}
