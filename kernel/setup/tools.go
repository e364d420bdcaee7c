package setup

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/modfile"

	"hhrlhf/rlhf/pjrt"
)

// A tool is one `tool` line of go.mod with the version its module is required at.
type tool struct {
	Name, Package, Version string
}

// readTools reads the tools from the module's go.mod.
func readTools(repo string) ([]tool, error) {
	name := filepath.Join(repo, "go.mod")
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(name, content, nil)
	if err != nil {
		return nil, err
	}
	var tools []tool
	for _, t := range mod.Tool {
		found := tool{Name: path.Base(t.Path), Package: t.Path}
		module := ""
		for _, r := range mod.Require { // the longest path wins: x/tools/gopls over x/tools
			inside := t.Path == r.Mod.Path || strings.HasPrefix(t.Path, r.Mod.Path+"/")
			if inside && len(r.Mod.Path) > len(module) {
				module, found.Version = r.Mod.Path, r.Mod.Version
			}
		}
		if module == "" {
			return nil, fmt.Errorf("%s: no require line for the tool %s; run go get -tool %s@VERSION", name, t.Path, t.Path)
		}
		tools = append(tools, found)
	}
	return tools, nil
}

// toolVersion is readVersion, or what a test puts in its place.
var toolVersion = readVersion

// readVersion reads what a built tool says about itself, as go version -m does.
func readVersion(file string) (pkg, version, goVersion string, err error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return "", "", "", err
	}
	return info.Path, info.Main.Version, info.GoVersion, nil
}

// check says what is wrong with an installed tool, "" if nothing is. A tool
// built by another Go is wrong: gopls cannot read a newer standard library.
func (t tool) check(bin, goVersion string) string {
	pkg, version, built, err := toolVersion(filepath.Join(bin, t.Name))
	switch {
	case os.IsNotExist(err):
		return "missing"
	case err != nil:
		return err.Error()
	case pkg != t.Package || version != t.Version:
		return fmt.Sprintf("is %s %s, want %s %s", pkg, version, t.Package, t.Version)
	case goVersion != "" && built != goVersion:
		return fmt.Sprintf("was built by %s, the Go on PATH is %s", built, goVersion)
	}
	return ""
}

// toolsPart builds the tools of go.mod.
func toolsPart(d Dirs) part {
	return part{
		name: "tools",
		need: 600 << 20,
		ready: func(ctx context.Context) bool {
			tools, err := readTools(d.Repo)
			if err != nil {
				return false
			}
			goVersion, _ := goEnv(ctx, d.Repo, "GOVERSION")
			for _, t := range tools {
				if t.check(d.Bin(), goVersion) != "" {
					return false
				}
			}
			return true
		},
		install: func(ctx context.Context, log *pjrt.Progress) (bool, error) {
			tools, err := readTools(d.Repo)
			if err != nil {
				return false, err
			}
			return true, installTools(ctx, d, tools, log)
		},
	}
}

// installTools builds all tools in a stage and moves them into place.
func installTools(ctx context.Context, d Dirs, tools []tool, log *pjrt.Progress) error {
	var names []string
	for _, t := range tools {
		names = append(names, t.Name+" "+t.Version)
	}
	log.Printf("go install tool: %s", strings.Join(names, ", "))
	if err := os.MkdirAll(d.Bin(), 0o755); err != nil {
		return err
	}
	if err := pjrt.ClearStages(d.Bin()); err != nil {
		return err
	}
	stage, err := pjrt.NewStage(d.Bin())
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := goRun(ctx, d.Repo, log, []string{"GOBIN=" + stage}, "install", "tool"); err != nil {
		return err
	}
	for _, t := range tools {
		if fault := t.check(stage, ""); fault != "" {
			return fmt.Errorf("go install tool: %s %s", t.Name, fault)
		}
		if err := os.Rename(filepath.Join(stage, t.Name), filepath.Join(d.Bin(), t.Name)); err != nil {
			return err
		}
	}
	log.Printf("done")
	return nil
}

// commandPart builds the rlhf command. It is never ready, because only Go knows
// whether a source has changed; asking it costs about a second.
func commandPart(d Dirs) part {
	return part{
		name:    "rlhf",
		ready:   func(context.Context) bool { return false },
		install: func(ctx context.Context, log *pjrt.Progress) (bool, error) { return rebuild(ctx, d, log) },
	}
}

// Rebuild brings the installed rlhf command up to date with the module's sources
// and reports whether it changed. A running copy keeps running: the new one takes
// its name, not its place on disk.
func Rebuild(ctx context.Context, d Dirs, log *pjrt.Progress) (changed bool, err error) {
	if err := os.MkdirAll(d.Data, 0o755); err != nil {
		return false, fmt.Errorf("setup: %w", err)
	}
	unlock, err := pjrt.Lock(ctx, d.lock(), log)
	if err != nil {
		return false, fmt.Errorf("setup: %w", err)
	}
	defer unlock()
	return rebuild(ctx, d, log)
}

// rebuild is Rebuild for who holds the lock.
func rebuild(ctx context.Context, d Dirs, log *pjrt.Progress) (changed bool, err error) {
	if err := os.MkdirAll(d.Bin(), 0o755); err != nil {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(d.build(), ownerMark)); err != nil {
		if err := claim(d.build()); err != nil {
			return false, err
		}
	}
	// Go writes here, where nothing runs from, and leaves the file alone if it is
	// up to date; the name that runs is then replaced in one step.
	built := filepath.Join(d.build(), "rlhf")
	if err := goRun(ctx, d.Repo, log, nil, "build", "-o", built, "./kernel/cmd/rlhf"); err != nil {
		return false, err
	}
	want, _, err := pjrt.HashFile(built)
	if err != nil {
		return false, err
	}
	if have, _, err := pjrt.HashFile(d.Rlhf()); err == nil && have == want {
		return false, nil
	}
	content, err := os.ReadFile(built)
	if err != nil {
		return false, err
	}
	if err := pjrt.WriteFile(d.Rlhf(), content, 0o755); err != nil {
		return false, err
	}
	log.Printf("built %s", d.Rlhf())
	return true, nil
}

// goMinimum is the go line of go.mod in numbers.
var goMinimum = [2]int{1, 26}

// toolchainPart has nothing to install, it stops early where Go or the C
// compiler that cgo needs is missing.
func toolchainPart(d Dirs) part {
	return part{
		name:  "go",
		ready: func(ctx context.Context) bool { return checkToolchain(ctx, d) == nil },
		install: func(ctx context.Context, _ *pjrt.Progress) (bool, error) {
			return false, checkToolchain(ctx, d)
		},
	}
}

func checkToolchain(ctx context.Context, d Dirs) error {
	if _, err := checkGo(ctx, d); err != nil {
		return err
	}
	_, err := checkCC(ctx, d)
	return err
}

// checkGo returns the version of the Go on PATH.
func checkGo(ctx context.Context, d Dirs) (version string, err error) {
	version, err = goEnv(ctx, d.Repo, "GOVERSION")
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(strings.TrimPrefix(version, "go"), ".", 3)
	if len(parts) >= 2 {
		major, err1 := strconv.Atoi(parts[0])
		minor, err2 := strconv.Atoi(strings.TrimRight(parts[1], "abcdefghijklmnopqrstuvwxyz-"))
		if err1 == nil && err2 == nil && (major < goMinimum[0] || major == goMinimum[0] && minor < goMinimum[1]) {
			return version, fmt.Errorf("the Go on PATH is %s, want go%d.%d or newer; install a newer Go", version, goMinimum[0], goMinimum[1])
		}
	}
	return version, nil
}

// checkCC returns the C compiler's path.
func checkCC(ctx context.Context, d Dirs) (string, error) {
	cc, err := goEnv(ctx, d.Repo, "CC")
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(cc, " ")
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the C compiler %s is not on PATH, and XLA is called through cgo; install one (Debian, Ubuntu: apt install gcc libc6-dev)", name)
	}
	if on, err := goEnv(ctx, d.Repo, "CGO_ENABLED"); err == nil && on == "0" {
		return "", fmt.Errorf("CGO_ENABLED is 0, and XLA is called through cgo; unset it")
	}
	return found, nil
}

// goCommand returns the command go args in the module's root.
func goCommand(ctx context.Context, repo string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = repo
	// A go.work around the module must not change what is built.
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	// Stop the compilers too, not only go.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// goRun runs go and turns its last lines into the error.
func goRun(ctx context.Context, repo string, log *pjrt.Progress, env []string, args ...string) error {
	what := "go " + strings.Join(args[:min(2, len(args))], " ")
	stop := log.Every(15*time.Second, func() string { return what + " is still working" })
	defer stop()
	out, err := goCommand(ctx, repo, env, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s (in %s): %w\n%s", strings.Join(args, " "), repo, err, pjrt.Tail(out, 12))
	}
	return nil
}

// goEnv asks go for one setting.
func goEnv(ctx context.Context, repo, name string) (string, error) {
	out, err := goCommand(ctx, repo, nil, "env", name).Output()
	if err != nil {
		if _, look := exec.LookPath("go"); look != nil {
			return "", fmt.Errorf("go is not on PATH; install Go %d.%d or newer for %s/%s", goMinimum[0], goMinimum[1], runtime.GOOS, runtime.GOARCH)
		}
		return "", fmt.Errorf("go env %s: %w", name, err)
	}
	return string(bytes.TrimSpace(out)), nil
}
