package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/proxy"
)

// Variables that mark the descendants of a kernel and of one life of its gonb.
const (
	envKernel = socket.KernelDirEnv
	envLife   = "RLHF_GONB_LIFE"
)

// startGonb starts stock gonb on a connection file, after ending what its last
// life left behind.
func (k *kernel) startGonb(connectionFile string) (*proxy.Gonb, error) {
	k.stopGonb()
	k.lives++
	tmp := filepath.Join(k.dirs.tmp, strconv.Itoa(k.lives))
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	path, err := k.findGonb()
	if err != nil {
		return nil, err
	}
	args := []string{"--kernel", connectionFile, "-raw_error=true", "-logtostderr=false", "-extra_log=" + k.logPath("gonb")}
	if k.o.Repo != "" {
		args = append(args, "-go_work="+k.o.Repo)
	}
	log, err := openLog(k.logPath("gonb"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	k.gonbMark = envLife + "=" + tmp
	cmd.Env = append(append([]string{}, k.env...), "TMPDIR="+tmp, k.gonbMark)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if k.gonb, err = k.spawn.start(cmd); err != nil {
		return nil, err
	}
	c := k.gonb
	return &proxy.Gonb{PID: cmd.Process.Pid, Temp: tmp, Gopls: k.hasGopls(), Exited: c.exited, Cause: func() string { return c.cause }}, nil
}

// findGonb returns the path of gonb.
func (k *kernel) findGonb() (string, error) {
	if k.o.Gonb != "" {
		return k.o.Gonb, nil
	}
	if path := filepath.Join(k.o.BinDir, "gonb"); k.o.BinDir != "" {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("gonb")
	if err != nil {
		return "", fmt.Errorf("%w; neither in BinDir (%q) nor in PATH", err, k.o.BinDir)
	}
	return path, nil
}

// hasGopls reports whether gonb will find a gopls to start.
func (k *kernel) hasGopls() bool {
	if k.o.BinDir != "" && exists(filepath.Join(k.o.BinDir, "gopls")) {
		return true
	}
	_, err := exec.LookPath("gopls")
	return err == nil
}

// stopGonb ends gonb, the running cell and all that cells have left running.
func (k *kernel) stopGonb() {
	if k.gonb == nil {
		return
	}
	sweep(k.gonbMark, time.Second)
	<-k.gonb.exited
	os.RemoveAll(strings.TrimPrefix(k.gonbMark, envLife+"="))
	k.gonb = nil
}

// writeShim puts a go command before the real one on gonb's PATH.
func (k *kernel) writeShim() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(k.dirs.bin(), 0o700); err != nil {
		return err
	}
	script := fmt.Sprintf(shim, quote(k.goTool), quote(exe))
	return os.WriteFile(filepath.Join(k.dirs.bin(), "go"), []byte(script), 0o700)
}

// quote quotes a word for sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// shim is the go command of cells. gonb runs a bare "go get" before each cell:
// it would look for newer versions, on the network. And gonb runs the program
// that "go build -o" writes: that becomes the relay, which finds the program
// beside itself. What the build cost lies beside it too, for %%time.
const shim = `#!/bin/sh
go=%s
relay=%s
case "$*" in
get | "get -t") exit 0 ;;
esac
out=
case "$1 $2 $3" in
"build -o "*) out=$3 n=3 ;;
"test -c -o") out=$4 n=4 ;;
esac
case "$out" in
"$GONB_TMP_DIR"/gonb_*) ;;
*) exec "$go" "$@" ;;
esac
verb=$1
shift $n
if [ "$verb" = test ]; then
	set -- -c "$@"
fi
"$go" "$verb" -o "$out.cell" "$@" || exit
times >"$out.built"
if [ -x "$relay" ]; then
	exec ln -sfn "$relay" "$out"
fi
exec ln -f "$out.cell" "$out"
`
