package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Helper is the name under which this program starts itself to become a sandbox.
const Helper = "hhrlhf-sandbox"

// order is what the helper is told.
type order struct {
	Python python `json:"python"`
	Source string `json:"source"`
	Limits Limits `json:"limits"`
	Root   bool   `json:"root"` // the caller is root
}

// tell is the descriptor on which the helper says why there is no sandbox.
const tell = 4

// script is where the program lies in its root.
const script = "/program.py"

func init() {
	if len(os.Args) != 1 || os.Args[0] != Helper {
		return
	}
	// Much of what follows belongs to a thread. init has the main one, and keeps it.
	runtime.LockOSThread()
	err := become()
	fmt.Fprint(os.NewFile(tell, "tell"), err)
	os.Exit(1)
}

// become turns this process into the interpreter in its sandbox. It returns only
// what kept it from that.
func become() error {
	// What C libraries of the program that we were have opened stays behind.
	if err := unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range (Linux 5.11): %w", err)
	}
	text, err := io.ReadAll(os.NewFile(3, "order"))
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	if os.Getpid() != 1 {
		return fmt.Errorf("process %d, want process 1 of a new namespace", os.Getpid())
	}
	if err := enterRoot(o); err != nil {
		return err
	}
	_ = unix.Sethostname([]byte("sandbox"))
	image, err := newImage(o.Python.Binary, "-I", "-S", "-B", "-X", "utf8", script)
	if err != nil {
		return err
	}
	if err := giveUp(o); err != nil {
		return err
	}
	debug.SetGCPercent(-1)
	image.fail(image.exec(uint64(o.Limits.Memory)))
	return nil // not reached
}

// image is a program ready to be executed, with all the memory that it takes to do so.
type image struct {
	binary    *byte
	argv, env []*byte // each ends with nil
	said      []byte  // the failure's text but for its last words, for which there is room
}

func newImage(binary string, args ...string) (*image, error) {
	argv, err := syscall.SlicePtrFromStrings(append([]string{binary}, args...))
	if err != nil {
		return nil, fmt.Errorf("%q %q: %w", binary, args, err)
	}
	said := append(make([]byte, 0, len(binary)+200), "starting "+binary+": "...)
	return &image{binary: argv[0], argv: argv, env: []*byte{nil}, said: said}, nil
}

// exec limits this process to memory bytes of addresses and becomes the image. It
// returns only what kept it from that.
//
// Go has taken more addresses than such a limit allows, so that its heap can't grow from here on: an allocation
// that needed another page would end the process, and this would look like the end of the program that was to run.
// Hence nothing allocates between the two calls, as [syscall.Exec] would.
func (i *image) exec(memory uint64) unix.Errno {
	limit := unix.Rlimit{Cur: memory, Max: memory}
	if _, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); e != 0 {
		return e
	}
	_, _, e := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(i.binary)), uintptr(unsafe.Pointer(&i.argv[0])), uintptr(unsafe.Pointer(&i.env[0])))
	return e
}

// fail tells what kept the image from being executed, and ends the process, under the same limit.
func (i *image) fail(e unix.Errno) {
	_, _ = unix.Write(tell, append(i.said, e.Error()...)) // the words of an Errno are constants
	unix.Exit(1)
}

// enterRoot makes a read-only tmpfs with the interpreter's files the root of this
// mount namespace, and lets go of the old one.
func enterRoot(o order) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// Any folder will do to mount on, as it is ours alone in this namespace; what is to be
	// bound into the new root is opened before.
	const root = "/tmp"
	sources := map[string]int{}
	for _, path := range o.Python.Needs {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("open_tree %s (Linux 5.2): %w", path, err)
		}
		sources[path] = fd
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,nr_inodes=4096,mode=0755", 64<<10+2*len(o.Source))); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	for _, path := range o.Python.Needs {
		if err := bind(sources[path], root+path); err != nil {
			return err
		}
	}
	if err := os.WriteFile(root+script, []byte(o.Source), 0o444); err != nil {
		return err
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, root, unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("making the root read-only (mount_setattr, Linux 5.12): %w", err)
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("letting go of the old root: %w", err)
	}
	return unix.Chdir("/")
}

// bind puts an opened file or folder at target, which it makes.
func bind(fd int, target string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, nil, 0o444); err != nil {
			return err
		}
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("binding %s: %w", target, err)
	}
	return nil
}

// giveUp takes away what the interpreter does not need, in the order in which each step is still allowed.
func giveUp(o order) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // unknown to an older kernel
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT and its lock: user 0 of the namespace is nobody special
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return fmt.Errorf("securebits: %w", err)
	}
	if o.Root {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("setgroups: %w", err)
		}
		if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
			return fmt.Errorf("setresgid: %w", err)
		}
		if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
			return fmt.Errorf("setresuid: %w", err)
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	// A change of user has cleared it. From here on we die with the caller.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("pdeathsig: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := installFilter(); err != nil {
		return err
	}
	seconds := uint64((o.Limits.CPU + time.Second - 1) / time.Second)
	for _, r := range []struct {
		what  string
		which int
		value uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, 0},
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 64},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 0},
		{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, 0},
		{"RLIMIT_CPU", unix.RLIMIT_CPU, seconds},
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, uint64(o.Limits.Processes)},
	} {
		if err := unix.Setrlimit(r.which, &unix.Rlimit{Cur: r.value, Max: r.value}); err != nil {
			return fmt.Errorf("%s = %d: %w", r.what, r.value, err)
		}
	}
	return nil
}
