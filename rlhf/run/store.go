package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Errors that callers decide on; test for them with errors.Is.
var (
	ErrExists   = errors.New("run exists")
	ErrNotFound = errors.New("no such run")
)

// A Store is a directory of runs. It holds no state of its own: several stores, in
// several processes, may be open on one directory.
type Store struct {
	dir string
}

// OpenStore opens the store in dir and makes the directory, readable by its owner only, if
// there is none.
func OpenStore(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("run: the store's directory is empty; name one")
	}
	dir, err := filepath.Abs(dir) // a later change of working directory must not move the store
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	return s, s.clean()
}

// clean removes what processes that were killed have left. A run that is being
// created at this moment by another process is younger than an hour.
func (s *Store) clean() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // another process has removed it
		}
		stale := strings.HasPrefix(e.Name(), gonePrefix) ||
			strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > time.Hour
		if !stale {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	return nil
}

// Dir returns the store's directory as an absolute path.
func (s *Store) Dir() string { return s.dir }

// CheckName reports whether a run may be called name: 1 to 100 ASCII letters,
// digits, "-", "_" and ".", of which the first is a letter or a digit, so that no name leaves
// the store's directory or hides in it.
func CheckName(name string) error {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		switch {
		case i == 0 && !letter:
			return fmt.Errorf("run: name %q: begins with %q, want a letter or a digit", name, name[:1])
		case !letter && c != '-' && c != '_' && c != '.':
			return fmt.Errorf("run: name %q: byte %d is %q, want letters, digits, -, _ and . only", name, i, name[i:i+1])
		}
	}
	if len(name) < 1 || len(name) > 100 {
		return fmt.Errorf("run: name %.20q has %d characters, want 1 to 100", name, len(name))
	}
	return nil
}

// Create makes a new run and takes its lock. The manifest's Format, and where they
// are empty Created, GoVersion, Revision and Versions, are filled in. A run of that
// name is never overwritten: the error is [ErrExists].
//
// fill, if any, makes the stage's own files in the directory that it is given, which
// becomes the run's: a process that dies before all are there leaves no run.
func (s *Store) Create(m Manifest, fill ...func(dir string) error) (*Run, error) {
	if err := CheckName(m.Name); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, m.Name)
	exists := fmt.Errorf("run: %w: %s; open it, remove it or take another name", ErrExists, dir)
	if _, err := os.Lstat(dir); err == nil {
		return nil, exists
	}
	m.complete()
	temp, err := os.MkdirTemp(s.dir, tempPrefix)
	if err != nil {
		return nil, writeError(dir, 0, err)
	}
	defer os.RemoveAll(temp)
	if err := m.write(temp, dir); err != nil {
		return nil, err
	}
	for _, f := range fill {
		if err := f(temp); err != nil {
			return nil, writeError(dir, 0, err)
		}
	}
	// A rename never replaces a directory that holds anything, and every run holds a manifest.
	switch err := os.Rename(temp, dir); {
	case errors.Is(err, fs.ErrExist):
		return nil, exists
	case err != nil:
		return nil, writeError(dir, 0, err)
	}
	if err := syncDir(s.dir); err != nil {
		return nil, err
	}
	r, err := s.Open(m.Name)
	if err != nil {
		return nil, err
	}
	return r, r.Lock()
}

// Open opens a run for reading; the first write, or [Run.Lock], takes its lock. The
// error [ErrNotFound] lists the names that the store knows.
func (s *Store) Open(name string) (*Run, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, name)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, s.notFound(name)
	}
	if err := checkPlain(dir); err != nil {
		return nil, err
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	return &Run{dir: dir, manifest: m, lock: flock.New(filepath.Join(dir, lockFile))}, nil
}

func (s *Store) notFound(name string) error {
	names, err := s.names()
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("run: %w: %q; the store %s is empty", ErrNotFound, name, s.dir)
	}
	const most = 8
	what := "known"
	if len(names) > most {
		what = fmt.Sprintf("nearest of %d", len(names))
	}
	return fmt.Errorf("run: %w: %q; %s: %s", ErrNotFound, name, what, strings.Join(nearest(name, names, most), ", "))
}

// names returns the names of the directories that could be runs, sorted.
func (s *Store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && CheckName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// List returns the manifests of all runs, oldest first. Runs whose manifest cannot
// be read are left out and named in the error, beside which the list is valid.
func (s *Store) List() ([]Manifest, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var list []Manifest
	var errs []error
	for _, name := range names {
		m, err := readManifest(filepath.Join(s.dir, name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b Manifest) int { return a.Created.Compare(b.Created) })
	return list, errors.Join(errs...)
}

// Remove deletes a run and all it holds. A run that another process writes is not
// removed: the error is [ErrLocked]. A run with a broken manifest can be removed.
func (s *Store) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, name)
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.notFound(name)
	case err == nil && info.Mode().Type() == fs.ModeSymlink: // what it points at is not ours to delete
		if err := os.Remove(dir); err != nil {
			return fmt.Errorf("run: %w", err)
		}
		return nil
	}
	r := &Run{dir: dir, lock: flock.New(filepath.Join(dir, lockFile))}
	if err := checkKind(filepath.Join(dir, lockFile), 0); err != nil {
		return err
	}
	if err := r.takeLock(); err != nil && !errors.Is(err, ErrNoSpace) {
		return err
	}
	defer r.Close()
	return removeDir(dir)
}
