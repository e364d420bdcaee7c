package pjrt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

const (
	stampName   = "stamp.json"
	stagePrefix = ".stage-"
)

// A Stamp says what a finished part is; a part without one is not finished.
type Stamp struct {
	Version string `json:"version"`          // source and version, in words
	File    string `json:"file,omitempty"`   // name beside the stamp
	Size    int64  `json:"size,omitempty"`   // bytes
	SHA256  string `json:"sha256,omitempty"` // of the file, or of the input the part was made from
}

// ReadStamp reads the stamp of a part's folder.
func ReadStamp(dir string) (Stamp, error) {
	name := filepath.Join(dir, stampName)
	b, err := os.ReadFile(name)
	if err != nil {
		return Stamp{}, err
	}
	var s Stamp
	if err := json.Unmarshal(b, &s); err != nil {
		return Stamp{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// Write puts the stamp into dir in one step. Call it last.
func (s Stamp) Write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, stampName), append(b, '\n'), 0o644)
}

// WriteFile writes name so that a reader sees the old content or the new, never
// a part of it.
func WriteFile(name string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), stagePrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// NewStage makes an empty folder inside dir to work in.
func NewStage(dir string) (string, error) { return os.MkdirTemp(dir, stagePrefix) }

// ClearStages removes what an interrupted run left in dir. Hold the lock.
func ClearStages(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, stagePrefix+"*"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// Lock takes the file lock at path, waiting for another process to release it,
// which it also does by dying. It says so once when it has to wait.
func Lock(ctx context.Context, path string, log *Progress) (unlock func(), err error) {
	l := flock.New(path)
	got, err := l.TryLock()
	if err == nil && !got {
		log.Printf("another process is at it, waiting (%s)", path)
		got, err = l.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { l.Unlock() }, nil
}

// CheckSpace fails if fewer than need bytes are free for the user at dir.
func CheckSpace(dir string, need int64) error {
	if need <= 0 {
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	free := int64(fs.Bavail) * int64(fs.Bsize)
	if free < need {
		return fmt.Errorf("%s has %d MB free, want %d MB; free some space, or set %s to a folder on another disk",
			dir, free>>20, need>>20, HomeEnv)
	}
	return nil
}

// HashFile returns the SHA-256 of a file in hex, and its size in bytes.
func HashFile(name string) (sum string, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// A Progress prints lines that begin with a part's name and the seconds since it
// was made. The zero of it, and nil, print nothing.
type Progress struct {
	w     io.Writer
	part  string
	start time.Time
}

// NewProgress returns a Progress that prints to w, or to nowhere if w is nil.
func NewProgress(w io.Writer, part string) *Progress {
	return &Progress{w: w, part: part, start: time.Now()}
}

// Writer returns where the lines go, nil for nowhere.
func (p *Progress) Writer() io.Writer {
	if p == nil {
		return nil
	}
	return p.w
}

// Printf prints one line.
func (p *Progress) Printf(format string, args ...any) {
	if p == nil || p.w == nil {
		return
	}
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintf(p.w, "%-9s %6.1f s  %s\n", p.part, time.Since(p.start).Seconds(), text)
}

// Every prints what every period until stop is called, so that a long step does
// not look like a hung one.
func (p *Progress) Every(period time.Duration, what func() string) (stop func()) {
	if p == nil || p.w == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.Printf("%s", what())
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
