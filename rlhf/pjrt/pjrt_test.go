package pjrt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hhrlhf/rlhf/pjrt"
)

// fakeSource leaves content in the stage, or fails with err, and counts.
type fakeSource struct {
	name    string
	content string
	err     error
	wait    time.Duration
	calls   atomic.Int32
}

func (s *fakeSource) Name() string { return s.name }

func (s *fakeSource) Fetch(ctx context.Context, stage, _ string, _ *pjrt.Progress) (string, error) {
	s.calls.Add(1)
	select {
	case <-time.After(s.wait):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if s.err != nil {
		return "", s.err
	}
	name := filepath.Join(stage, "any-name.so")
	return name, os.WriteFile(name, []byte(s.content), 0o644)
}

// newInstaller returns an Installer over an empty folder.
func newInstaller(t *testing.T, sources ...pjrt.Source) *pjrt.Installer {
	home := t.TempDir()
	return &pjrt.Installer{Dir: filepath.Join(home, "pjrt"), Cache: filepath.Join(home, "cache"), Sources: sources}
}

// names lists a folder, the lock left out.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if e.Name() != "lock" {
			list = append(list, e.Name())
		}
	}
	return strings.Join(list, " ")
}

func TestEnsureInstallsOnceAndStaysOffline(t *testing.T) {
	src := &fakeSource{name: "fake 1", content: "plugin"}
	in := newInstaller(t, src)
	var out bytes.Buffer
	in.Progress = &out
	path, err := in.Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(in.Dir, pjrt.FileName); path != want {
		t.Errorf("path %s, want %s", path, want)
	}
	if !strings.Contains(path, "cpu") {
		t.Errorf("path %s does not contain \"cpu\": GoMLX would not share buffers with it", path)
	}
	if got := names(t, in.Dir); got != pjrt.FileName+" stamp.json" {
		t.Errorf("folder holds %q", got)
	}
	if !strings.Contains(out.String(), "installed fake 1") {
		t.Errorf("progress %q", out.String())
	}
	out.Reset()
	if _, err := in.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if src.calls.Load() != 1 || out.Len() > 0 {
		t.Errorf("second call fetched again (%d calls) or printed %q", src.calls.Load(), out.String())
	}
}

func TestEnsureRepairs(t *testing.T) {
	damage := map[string]func(dir string) error{
		"plugin cut short": func(dir string) error { return os.Truncate(filepath.Join(dir, pjrt.FileName), 3) },
		"plugin gone":      func(dir string) error { return os.Remove(filepath.Join(dir, pjrt.FileName)) },
		"stamp gone":       func(dir string) error { return os.Remove(filepath.Join(dir, "stamp.json")) },
		"stamp no JSON":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "stamp.json"), []byte("{"), 0o644) },
		"killed in the middle": func(dir string) error {
			os.Remove(filepath.Join(dir, "stamp.json"))
			return os.MkdirAll(filepath.Join(dir, ".stage-123", "deep"), 0o755)
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			src := &fakeSource{name: "fake", content: "plugin"}
			in := newInstaller(t, src)
			if _, err := in.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := do(in.Dir); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := src.calls.Load(); n != 2 {
				t.Errorf("fetched %d times, want 2", n)
			}
			if got := names(t, in.Dir); got != pjrt.FileName+" stamp.json" {
				t.Errorf("folder holds %q", got)
			}
		})
	}
}

func TestEnsureTriesSourcesInOrder(t *testing.T) {
	bad := &fakeSource{name: "first", err: errors.New("no route")}
	good := &fakeSource{name: "second", content: "plugin"}
	in := newInstaller(t, bad, good)
	if _, err := in.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, stamp, ok := in.Find(); !ok || stamp.Version != "second" {
		t.Errorf("stamp %+v, ok %v", stamp, ok)
	}

	in = newInstaller(t, bad, &fakeSource{name: "third", err: errors.New("bad gateway")})
	_, err := in.Ensure(t.Context())
	if err == nil {
		t.Fatal("no error although every source failed")
	}
	for _, want := range []string{"first: no route", "third: bad gateway", "GOMLX_BACKEND=xla:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestEnsureInterrupted(t *testing.T) {
	slow := &fakeSource{name: "slow", content: "plugin", wait: time.Minute}
	never := &fakeSource{name: "never", content: "plugin"}
	in := newInstaller(t, slow, never)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := in.Ensure(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "takes it up again") {
		t.Errorf("error %v", err)
	}
	if never.calls.Load() != 0 {
		t.Error("an interrupt was taken for a failing source")
	}
	if got := names(t, in.Dir); got != "" {
		t.Errorf("folder holds %q", got)
	}
	slow.wait = 0
	if _, err := in.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEnsureConcurrently(t *testing.T) {
	src := &fakeSource{name: "fake", content: "plugin", wait: 100 * time.Millisecond}
	in := newInstaller(t, src)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := in.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := src.calls.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestEnsureNamesTheFolderItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	in := &pjrt.Installer{Dir: filepath.Join(file, "pjrt")}
	_, err := in.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), pjrt.HomeEnv) {
		t.Errorf("error %v", err)
	}
}

func TestEnsureWithoutSpace(t *testing.T) {
	src := &fakeSource{name: "fake", content: "plugin"}
	in := newInstaller(t, src)
	in.Need = 1 << 60
	_, err := in.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "MB free, want") {
		t.Errorf("error %v", err)
	}
	if src.calls.Load() != 0 {
		t.Error("fetched all the same")
	}
}

func TestFindHome(t *testing.T) {
	for _, c := range []struct {
		name, rlhf, data, cache, home string
		want                          pjrt.Home
	}{
		{"defaults", "-", "", "", "/h", pjrt.Home{Data: "/h/.local/share/hhrlhf", Cache: "/h/.cache/hhrlhf"}},
		{"xdg", "-", "/d", "/c", "/h", pjrt.Home{Data: "/d/hhrlhf", Cache: "/c/hhrlhf"}},
		{"relative xdg is ignored", "-", "d", "c", "/h", pjrt.Home{Data: "/h/.local/share/hhrlhf", Cache: "/h/.cache/hhrlhf"}},
		{"ours wins", "/r", "/d", "/c", "/h", pjrt.Home{Data: "/r", Cache: "/r/cache"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(pjrt.HomeEnv, c.rlhf)
			if c.rlhf == "-" {
				os.Unsetenv(pjrt.HomeEnv)
			}
			t.Setenv("XDG_DATA_HOME", c.data)
			t.Setenv("XDG_CACHE_HOME", c.cache)
			t.Setenv("HOME", c.home)
			got, err := pjrt.FindHome()
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
	t.Setenv(pjrt.HomeEnv, "")
	if _, err := pjrt.FindHome(); err == nil || !strings.Contains(err.Error(), "set but empty") {
		t.Errorf("empty %s: error %v", pjrt.HomeEnv, err)
	}
}

func TestBackend(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "xla:cuda")
	if got, err := pjrt.Backend(t.Context(), nil); got != "xla:cuda" || err != nil {
		t.Errorf("the user's choice: %q, %v", got, err)
	}
	t.Setenv("GOMLX_BACKEND", "")
	if _, err := pjrt.Backend(t.Context(), nil); !errors.Is(err, pjrt.ErrEmptyBackend) {
		t.Errorf("set but empty: %v", err)
	}
	os.Unsetenv("GOMLX_BACKEND")
	home := t.TempDir()
	t.Setenv(pjrt.HomeEnv, home)
	dir := filepath.Join(home, "pjrt")
	os.MkdirAll(dir, 0o755)
	os.WriteFile(filepath.Join(dir, pjrt.FileName), []byte("12345"), 0o755)
	if err := (pjrt.Stamp{Version: "x", Size: 5}).Write(dir); err != nil {
		t.Fatal(err)
	}
	want := "xla:" + filepath.Join(dir, pjrt.FileName)
	if got, err := pjrt.Backend(t.Context(), nil); got != want || err != nil {
		t.Errorf("installed: %q, %v, want %q", got, err, want)
	}
}
