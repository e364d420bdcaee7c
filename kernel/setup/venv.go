package setup

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hhrlhf/rlhf/pjrt"
)

//go:embed requirements.txt
var requirements string

// pythonMinimum is what the locked packages ask for.
const pythonMinimum = "3.10"

// venvPart is JupyterLab in an environment of its own. It is built in place,
// since its scripts name its path; without a stamp it is taken for unfinished.
func venvPart(d Dirs) part {
	return part{
		name:  "venv",
		need:  700 << 20,
		ready: func(ctx context.Context) bool { return venvFault(ctx, d) == "" },
		install: func(ctx context.Context, log *pjrt.Progress) (bool, error) {
			python, version, err := findPython(ctx)
			if err != nil {
				return false, err
			}
			return true, installVenv(ctx, d, python, version, log)
		},
	}
}

func installVenv(ctx context.Context, d Dirs, python, version string, log *pjrt.Progress) error {
	log.Printf("virtual environment for Python %s", version)
	if err := claim(d.Venv()); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, python, "-m", "venv", d.Venv()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s -m venv: %w\n%s\ninstall Python's venv (Debian, Ubuntu: apt install python3-venv)",
			python, err, pjrt.Tail(out, 4))
	}
	log.Printf("pip install: JupyterLab and %d packages it needs", strings.Count(requirements, "==")-1)
	if err := pipInstall(ctx, log, d, requirements); err != nil {
		return err
	}
	stamp := pjrt.Stamp{Version: "Python " + version, SHA256: digest(requirements)}
	if err := stamp.Write(d.Venv()); err != nil {
		return err
	}
	os.RemoveAll(d.pip()) // it was there to survive an interrupt
	log.Printf("done")
	return nil
}

// venvFault says what is wrong with the environment, "" if nothing is.
func venvFault(ctx context.Context, d Dirs) string {
	stamp, err := pjrt.ReadStamp(d.Venv())
	switch {
	case os.IsNotExist(err):
		return "missing or unfinished"
	case err != nil:
		return err.Error()
	case stamp.SHA256 != digest(requirements):
		return "is of another version of requirements.txt"
	}
	version, err := pythonVersion(ctx, d.Python())
	if err != nil {
		return fmt.Sprintf("its Python does not run: %v", err)
	}
	if "Python "+version != stamp.Version {
		return fmt.Sprintf("was made for %s, its interpreter is now Python %s", stamp.Version, version)
	}
	return ""
}

// findPython returns the first Python on PATH that is new enough.
func findPython(ctx context.Context) (python, version string, err error) {
	var seen []string
	for _, name := range []string{"python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"} {
		python, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := pythonVersion(ctx, python)
		if err != nil {
			continue // a shim for a version that is not installed
		}
		var major, minor int
		fmt.Sscanf(version, "%d.%d", &major, &minor)
		if major == 3 && minor >= 10 {
			return python, version, nil
		}
		seen = append(seen, name+" is "+version)
	}
	found := "none is on PATH"
	if len(seen) > 0 {
		found = strings.Join(seen, ", ")
	}
	return "", "", fmt.Errorf("want Python %s or newer, %s; install one with venv (Debian, Ubuntu: apt install python3 python3-venv)", pythonMinimum, found)
}

// pythonVersion asks an interpreter for "3.11".
func pythonVersion(ctx context.Context, python string) (string, error) {
	out, err := exec.CommandContext(ctx, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	return strings.TrimSpace(string(out)), err
}

// pipInstall installs locked requirements, wheels only, each held to its hash.
func pipInstall(ctx context.Context, log *pjrt.Progress, d Dirs, locked string, args ...string) error {
	return pip(ctx, log, d, locked, append([]string{"install", "--no-warn-script-location"}, args...)...)
}

// pip runs a pip command of the private environment on locked requirements. Its
// downloads and temporary files lie in our cache, which a finished part removes:
// some are too large for the machine's folder of temporary files.
func pip(ctx context.Context, log *pjrt.Progress, d Dirs, locked string, args ...string) error {
	tmp := filepath.Join(d.pip(), "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	file := filepath.Join(d.pip(), "requirements-"+digest(locked)[:8]+".txt")
	if err := pjrt.WriteFile(file, []byte(locked), 0o644); err != nil {
		return err
	}
	stop := log.Every(15*time.Second, func() string { return "pip is still working" })
	defer stop()
	all := append(args, "--no-deps", "--only-binary=:all:", "--require-hashes", "--cache-dir", d.pip(), "--requirement", file)
	cmd := pjrt.PipCommand(ctx, d.Python(), all...)
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pip %s: %w\n%s\npip uses your own configuration (see: python3 -m pip config list); "+
			"what is fetched already is kept, so trying again goes on from there", args[0], err, pjrt.Tail(out, 8))
	}
	return nil
}

// digest is the SHA-256 of a text in hex.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
