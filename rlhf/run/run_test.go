package run_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hhrlhf/rlhf/run"
)

// childEnv makes this test binary play another process: the value names its part,
// the arguments after "--" are the part's.
const childEnv = "RUN_TEST_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		children[part]()
		return
	}
	os.Exit(m.Run())
}

var children = map[string]func(){
	"hold":       holdLock,
	"checkpoint": saveForever,
	"limit":      saveUnderLimit,
}

func child(t *testing.T, part string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+part)
	cmd.Stderr = os.Stderr
	return cmd
}

func newStore(t testing.TB) *run.Store {
	t.Helper()
	s, err := run.OpenStore(filepath.Join(t.TempDir(), "runs"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRun(t testing.TB) *run.Run {
	t.Helper()
	r, err := newStore(t).Create(run.Manifest{Name: "r", Kind: "test", Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks the kind of an error and that it says what a user needs.
func wantError(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("error %q is not %q", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestCreateOpen(t *testing.T) {
	s := newStore(t)
	in := run.Manifest{
		Name: "ppo-1", Kind: "ppo", Seed: 1<<64 - 1, Config: json.RawMessage(`{"lr":0.001,"sizes":[1,2]}`),
		Backend: "xla:cpu", Device: "cpu 0", Parents: []string{"lm-1", "pm-1"},
		Data: []run.DataHash{{Name: "x.jsonl", SHA256: "ab", Bytes: 3, Rows: 1}}, Tokenizer: "t", Template: "u",
	}
	before := time.Now().Add(-time.Second)
	r, err := s.Create(in)
	check(t, err)
	check(t, r.Close())
	again, err := s.Open("ppo-1")
	check(t, err)
	m := again.Manifest()
	if m.Created.Before(before) || m.GoVersion == "" || m.Format != 1 {
		t.Errorf("created %v, Go %q, format %d: not filled in", m.Created, m.GoVersion, m.Format)
	}
	// A test binary need not know the versions of its modules; an empty map is not written.
	if diff := cmp.Diff(r.Manifest(), m, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("manifest changes on disk (-made +read):\n%s", diff)
	}
	in.Created, in.GoVersion, in.Versions, in.Revision, in.Format = m.Created, m.GoVersion, m.Versions, m.Revision, m.Format
	if diff := cmp.Diff(in, m); diff != "" {
		t.Errorf("manifest (-given +read):\n%s", diff)
	}
	for _, dir := range []string{s.Dir(), again.Dir()} {
		info, err := os.Stat(dir)
		check(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, want 0700", dir, info.Mode().Perm())
		}
	}

	_, err = s.Create(run.Manifest{Name: "ppo-1", Kind: "lm"})
	wantError(t, err, run.ErrExists, "ppo-1", "remove it or take another name")
	if m, _ := s.Open("ppo-1"); m.Manifest().Kind != "ppo" {
		t.Error("a refused Create changed the run")
	}
	_, err = s.Create(run.Manifest{Name: "bad", Config: json.RawMessage(`{"lr":`)})
	wantError(t, err, nil, `config of "bad" is not valid JSON`)
	if _, err := os.Stat(filepath.Join(s.Dir(), "bad")); err == nil {
		t.Error("a failed Create left a directory")
	}
}

func TestNames(t *testing.T) {
	s := newStore(t)
	long := strings.Repeat("a", 101)
	for _, c := range []struct{ name, want string }{
		{"", "has 0 characters, want 1 to 100"},
		{long, "has 101 characters, want 1 to 100"},
		{"..", `begins with ".", want a letter or a digit`},
		{".hidden", `begins with "."`},
		{"-rf", `begins with "-"`},
		{"/etc", `begins with "/"`},
		{"a/b", `byte 1 is "/", want letters, digits, -, _ and . only`},
		{"../x", `begins with "."`},
		{`a\b`, `byte 1 is "\\"`},
		{"a b", `byte 1 is " "`},
		{"a\x00", `byte 1 is "\x00"`},
		{"é", `begins with "\xc3"`},
	} {
		_, err := s.Create(run.Manifest{Name: c.name})
		wantError(t, err, nil, "run: name", c.want)
		_, err = s.Open(c.name)
		wantError(t, err, nil, "run: name", c.want)
		wantError(t, s.Remove(c.name), nil, "run: name", c.want)
	}
	for _, name := range []string{"a", "9", "lm-hhh_v1.2", long[1:], "a..b"} {
		check(t, run.CheckName(name))
	}
}

func TestNotFound(t *testing.T) {
	s := newStore(t)
	_, err := s.Open("ppo-1")
	wantError(t, err, run.ErrNotFound, `"ppo-1"`, "is empty")
	for _, name := range []string{"lm-1", "ppo-10", "ppo-2"} {
		r, err := s.Create(run.Manifest{Name: name})
		check(t, err)
		check(t, r.Close())
	}
	_, err = s.Open("ppo-1")
	wantError(t, err, run.ErrNotFound, "known: ppo-10, ppo-2, lm-1")
	wantError(t, s.Remove("ppo-1"), run.ErrNotFound, "known: ppo-10, ppo-2, lm-1")
	for i := range 20 {
		r, err := s.Create(run.Manifest{Name: "x" + strconv.Itoa(i)})
		check(t, err)
		check(t, r.Close())
	}
	_, err = s.Open("ppo-1")
	wantError(t, err, run.ErrNotFound, "nearest of 23: ppo-10, ppo-2, lm-1")
}

func TestListRemove(t *testing.T) {
	s := newStore(t)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, name := range []string{"c", "a", "b"} {
		r, err := s.Create(run.Manifest{Name: name, Created: start.Add(time.Duration(i) * time.Hour)})
		check(t, err)
		check(t, r.AppendMetrics(1, map[string]float64{"x": 1}))
		check(t, r.Close())
	}
	names := func() (names []string) {
		list, err := s.List()
		check(t, err)
		for _, m := range list {
			names = append(names, m.Name)
		}
		return names
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, names()); diff != "" {
		t.Errorf("List (-oldest first +got):\n%s", diff)
	}
	check(t, s.Remove("a"))
	if diff := cmp.Diff([]string{"c", "b"}, names()); diff != "" {
		t.Errorf("after Remove (-want +got):\n%s", diff)
	}
	entries, err := os.ReadDir(s.Dir())
	check(t, err)
	if len(entries) != 2 {
		t.Errorf("Remove leaves %v", entries)
	}

	// One broken run must not hide the others.
	broken := filepath.Join(s.Dir(), "c", "manifest.json")
	for _, c := range []struct{ content, want string }{
		{"{", "unexpected end of JSON input"},
		{`{"format":9,"name":"c"}`, "format = 9, want 1 to 1"},
		{`{"format":1,"name":"z"}`, `name = "z", want "c"`},
	} {
		check(t, os.WriteFile(broken, []byte(c.content), 0o600))
		list, err := s.List()
		wantError(t, err, nil, broken, c.want)
		if len(list) != 1 || list[0].Name != "b" {
			t.Errorf("List = %v, want run b", list)
		}
		_, err = s.Open("c")
		wantError(t, err, nil, broken, c.want)
	}
	check(t, s.Remove("c"))
}

func TestOpenStore(t *testing.T) {
	_, err := run.OpenStore("")
	wantError(t, err, nil, "directory is empty")
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	_, err = run.OpenStore(file)
	wantError(t, err, nil, file)

	// Leftovers of killed processes go, unless a run could be in the making.
	dir := t.TempDir()
	old, fresh, gone := filepath.Join(dir, ".tmp-1"), filepath.Join(dir, ".tmp-2"), filepath.Join(dir, ".gone-x")
	for _, d := range []string{old, fresh, gone} {
		check(t, os.MkdirAll(filepath.Join(d, "in"), 0o700))
	}
	check(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)))
	_, err = run.OpenStore(dir)
	check(t, err)
	for path, want := range map[string]bool{old: false, fresh: true, gone: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: there = %v, want %v", path, err == nil, want)
		}
	}
}

func holdLock() {
	s, err := run.OpenStore(os.Args[1])
	if err == nil {
		var r *run.Run
		if r, err = s.Open(os.Args[2]); err == nil {
			err = r.Lock()
		}
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("locked\n")
	time.Sleep(time.Minute)
}

func TestLock(t *testing.T) {
	s := newStore(t)
	r, err := s.Create(run.Manifest{Name: "r"})
	check(t, err)
	other, err := s.Open("r") // as another process would
	check(t, err)
	pid := "process " + strconv.Itoa(os.Getpid())
	wantError(t, other.Lock(), run.ErrLocked, pid, filepath.Join(r.Dir(), "lock"))
	wantError(t, other.AppendMetrics(1, nil), run.ErrLocked, pid)
	wantError(t, other.AppendSample(1, 1), run.ErrLocked, pid)
	wantError(t, other.SaveCheckpoint(run.Checkpoint{}), run.ErrLocked, pid)
	wantError(t, other.TruncateAfter(0), run.ErrLocked, pid)
	wantError(t, s.Remove("r"), run.ErrLocked, pid)
	check(t, r.Lock()) // again: no matter
	check(t, r.AppendMetrics(1, nil))
	if points, err := other.Metrics(); err != nil || len(points) != 1 {
		t.Errorf("a reader is kept out by the lock: %v, %v", points, err)
	}
	check(t, r.Close())
	check(t, other.AppendMetrics(2, nil))
	check(t, other.Close())
	check(t, other.Close())
}

func TestLockOtherProcess(t *testing.T) {
	s := newStore(t)
	r, err := s.Create(run.Manifest{Name: "r"})
	check(t, err)
	check(t, r.Close())
	cmd := child(t, "hold", s.Dir(), "r")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Lock(), run.ErrLocked, "process "+strconv.Itoa(cmd.Process.Pid))
	check(t, cmd.Process.Kill())
	cmd.Wait()
	check(t, r.Lock()) // the lock of a killed process is free
	check(t, r.Close())
}

func TestDecodeConfig(t *testing.T) {
	type inner struct {
		ClipRange float64 `json:"clip_range"`
	}
	type config struct {
		KLCoef float64 `json:"kl_coef"`
		Steps  int     `json:"steps"`
		PPO    inner   `json:"ppo"`
		Plain  string
	}
	for _, c := range []struct {
		raw  string
		want config
		err  string
	}{
		{``, config{Steps: 5}, ""},
		{`{}`, config{Steps: 5}, ""},
		{`{"kl_coef":0.1,"ppo":{"clip_range":0.2},"Plain":"x"}`, config{0.1, 5, inner{0.2}, "x"}, ""},
		{`{"klcoef":0.1}`, config{}, `unknown field "klcoef"; the nearest known: kl_coef,`},
		{`{"ppo":{"cliprange":1}}`, config{}, `unknown field "cliprange"; the nearest known: clip_range,`},
		{`{"steps":"ten"}`, config{}, `field "steps" is a JSON string, want int`},
		{`{"ppo":{"clip_range":[1]}}`, config{}, `field "ppo.clip_range" is a JSON array, want float64`},
		{`{"steps":1.5}`, config{}, `field "steps" is a JSON number 1.5, want int`},
		{`{"steps":1} {}`, config{}, "text after the JSON object"},
		{`{"steps":`, config{}, "unexpected EOF"},
		{`[1]`, config{}, "cannot unmarshal array"},
	} {
		got := config{Steps: 5}
		err := run.DecodeConfig(json.RawMessage(c.raw), &got)
		if c.err != "" {
			wantError(t, err, nil, "run: config: ", c.err)
			continue
		}
		check(t, err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("DecodeConfig(%s) (-want +got):\n%s", c.raw, diff)
		}
	}
}

func TestHashFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	check(t, os.WriteFile(path, []byte("abc"), 0o600))
	got, err := run.HashFile(path)
	check(t, err)
	// The SHA-256 of "abc" is the first example of FIPS 180-2, appendix B.1.
	want := run.DataHash{Name: "x", Bytes: 3, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HashFile (-want +got):\n%s", diff)
	}
	_, err = run.HashFile(path + "y")
	wantError(t, err, os.ErrNotExist, path+"y")
}

// A run is seen when all of its files are there, or not at all.
func TestCreateFills(t *testing.T) {
	s := newStore(t)
	var made string
	r, err := s.Create(run.Manifest{Name: "r"}, func(dir string) error {
		made = dir
		if _, err := s.Open("r"); !errors.Is(err, run.ErrNotFound) {
			t.Errorf("while it is being made the run opens: %v", err)
		}
		return os.WriteFile(filepath.Join(dir, "facts"), []byte("1"), 0o600)
	})
	check(t, err)
	defer r.Close()
	if got := read(t, r, "facts"); got != "1" {
		t.Errorf("facts = %q", got)
	}
	broken := errors.New("broken")
	if _, err := s.Create(run.Manifest{Name: "s"}, func(dir string) error { made = dir; return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("what could not be made is left")
	}
	_, err = s.Create(run.Manifest{Name: "s"}, func(string) error { return syscall.ENOSPC })
	wantError(t, err, run.ErrNoSpace, filepath.Join(s.Dir(), "s"))
	if _, err := s.Open("s"); !errors.Is(err, run.ErrNotFound) {
		t.Errorf("the run that could not be made opens: %v", err)
	}
}
