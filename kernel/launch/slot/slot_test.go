package slot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/kernel/launch/slot"
)

// private is a folder with mode 0700.
func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBeside(t *testing.T) {
	sockets, dir := private(t), private(t)
	socket := filepath.Join(sockets, "engine.sock")
	if _, found, err := slot.Beside(socket); found || err != nil {
		t.Errorf("beside an engine that was started by hand: %v, %v", found, err)
	}
	if _, found, err := slot.Beside(""); found || err != nil {
		t.Errorf("beside no socket: %v, %v", found, err)
	}
	made, err := slot.Make(sockets, dir, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if s, found, err := slot.Beside(socket); s != made || !found || err != nil {
		t.Errorf("%v, %v, %v, want %v", s, found, err, made)
	}
	for _, open := range []string{sockets, filepath.Join(dir, "own")} {
		if err := os.Chmod(open, 0o770); err != nil {
			t.Fatal(err)
		}
		if _, found, err := slot.Beside(socket); found || err == nil || !strings.Contains(err.Error(), "0770") || !strings.Contains(err.Error(), open) {
			t.Errorf("a folder that others can write to: %v, %v", found, err)
		}
		if err := os.Chmod(open, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPut(t *testing.T) {
	sockets, dir := private(t), private(t)
	s, err := slot.Make(sockets, dir, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Look(); p != nil || !p.Same(nil) {
		t.Errorf("an empty slot holds %v", p)
	}
	if _, err := s.Put(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a program that is not there: %v", err)
	}
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, err := s.Put(file)
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Put(file)
	if err != nil {
		t.Fatal(err)
	}
	if now := s.Look(); !now.Same(two) || now.Same(one) || one.Same(two) || two.Same(nil) {
		t.Error("the slot does not hold the second program, or programs are confused")
	}
	if b, err := os.ReadFile(two.Path); string(b) != "one" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Stat(two.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "own", "engine-*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if two.RunsAs(os.Getpid()) {
		t.Error("the test runs the program")
	}
	if self, err := s.Put("/proc/self/exe"); err != nil || self.RunsAs(os.Getpid()) { // a copy
		t.Errorf("%v", err)
	}
	if err := s.Empty(s.Look()); err != nil || s.Look() != nil {
		t.Errorf("%v", err)
	}
	if err := s.Empty(two); err != nil {
		t.Errorf("emptied twice: %v", err)
	}
}
