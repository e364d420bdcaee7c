package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// The addresses of the two ends, each in a network namespace of its own.
const (
	nearAddr = "10.213.77.1"
	farAddr  = "10.213.77.2"
	farPort  = "7001"
	delay    = 5 * time.Millisecond // each way
)

// far is the host with the GPU: an engine, and sshd's part of the forward.
func far() error {
	l, err := enginetest.New(enginetest.Options{Step: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	path := os.Getenv("RLHF_ENGINE_SOCK")
	fmt.Println("up")
	fmt.Scanln() // the cable is there
	if err := network("v1", farAddr); err != nil {
		return err
	}
	in, err := net.Listen("tcp", net.JoinHostPort(farAddr, farPort))
	if err != nil {
		return err
	}
	go relay(in, func() (net.Conn, error) { return net.Dial("unix", path) })
	return engine.Serve(context.Background(), engine.Options{Socket: path, Lab: l, Ready: func() { fmt.Println("ready") }})
}

// near is the laptop: ssh -L.
func near() error {
	path := os.Getenv("RLHF_ENGINE_SOCK")
	if pid := os.Getenv("LAB_TEST_FAR"); pid != "" {
		if err := ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", pid); err != nil {
			return err
		}
		if err := network("v0", nearAddr); err != nil {
			return err
		}
	}
	os.Remove(path) // as ssh does with StreamLocalBindUnlink
	in, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	fmt.Println("ready")
	relay(in, func() (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort(farAddr, farPort)) })
	return nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// network gives the end of the cable its address.
func network(dev, addr string) error {
	return errors.Join(ip("addr", "add", addr+"/30", "dev", dev), ip("link", "set", dev, "up"))
}

// relay passes connections on, each way as slowly as a network.
func relay(in net.Listener, dial func() (net.Conn, error)) {
	for {
		a, err := in.Accept()
		if err != nil {
			return
		}
		go func() {
			defer a.Close()
			b, err := dial()
			if err != nil {
				return
			}
			defer b.Close()
			done := make(chan struct{}, 2)
			for _, ends := range [][2]net.Conn{{a, b}, {b, a}} {
				go func() {
					slowly(ends[0], ends[1])
					done <- struct{}{}
				}()
			}
			<-done // who hangs up on one side is hung up on at the other
		}()
	}
}

func slowly(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			time.Sleep(delay / 2) // this relay's half
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// An engine in another network namespace is used through a forward of its socket, as by ssh -L.
// Nothing of it can be reached otherwise, the calls are the same, and a forward that dies in
// the middle leaves the run at a step boundary.
func TestForwardedSocket(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("network namespaces are joined by ip(8): %v", err)
	}
	newNet := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	probe := exec.Command("true")
	probe.SysProcAttr = newNet
	if err := probe.Run(); err != nil {
		t.Skipf("this system makes no network namespace: %v", err)
	}
	dir := shortDir(t)
	farSocket, nearSocket := filepath.Join(dir, "far", "s"), filepath.Join(dir, "near.sock")

	gpu := spawnIn(t, newNet, "far", "RLHF_ENGINE_SOCK="+farSocket)
	gpu.line(t)
	laptop := spawnIn(t, newNet, "near", "RLHF_ENGINE_SOCK="+nearSocket, fmt.Sprint("LAB_TEST_FAR=", gpu.Process.Pid))
	if got, err := laptop.out.ReadString('\n'); err != nil {
		_ = laptop.Wait()
		if text := laptop.err.String(); strings.Contains(text, "not supported") || strings.Contains(text, "not permitted") {
			t.Skipf("this system joins no network namespaces: %s", text)
		}
		t.Fatalf("%q, %v: %s", got, err, laptop.err)
	}
	fmt.Fprintln(gpu.in)
	gpu.line(t)
	spaces := map[string]bool{}
	for _, pid := range []int{os.Getpid(), gpu.Process.Pid, laptop.Process.Pid} {
		spaces[must[string](t)(os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)))] = true
	}
	if len(spaces) != 3 {
		t.Fatalf("namespaces %v: want three", spaces)
	}

	s := lab.At(nearSocket)
	run := must[rlhf.PPORun](t)(s.PPO("p", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 100000}))
	const calls = 20
	began := time.Now()
	for range calls {
		must[rlhf.Status](t)(s.Status())
	}
	t.Logf("a read takes %v through a forward of %v each way", (time.Since(began) / calls).Round(100*time.Microsecond), delay)

	judge := must[rlhf.PMRun](t)(s.PM("judge", rlhf.PM{LM: "lm"}))
	ts := make([]rlhf.Transcript, 2000)
	for i := range ts {
		ts[i] = rlhf.Transcript{Prompt: "\n\nHuman: é?\n\nAssistant:", Response: strings.Repeat("語", 1000+i)}
	}
	began = time.Now()
	scores := must[[]float64](t)(judge.Score(ts))
	t.Logf("%d transcripts, %d MB, take %v", len(ts), len(ts)*2000*3>>20, time.Since(began).Round(time.Millisecond))
	for i, x := range scores {
		if want := 1 / float64(1+len(ts[i].Response)); x != want {
			t.Fatalf("score %d is %v, want %v", i, x, want)
		}
	}

	// The forward dies in the middle of a stretch.
	var failed error
	seen := 0
	for ev, err := range run.Train() {
		if failed = err; err == nil {
			if seen = ev.Step; seen == 5 {
				_ = laptop.Process.Kill()
			}
		}
	}
	if !errors.Is(failed, lab.ErrNoEngine) || !strings.Contains(failed.Error(), "the connection to "+nearSocket+" broke during the training of p") ||
		!strings.Contains(failed.Error(), "ssh -L") {
		t.Errorf("got %v", failed)
	}
	_ = laptop.Wait()
	there := lab.At(farSocket)
	for must[rlhf.Status](t)(there.Status()).Job != nil {
		time.Sleep(time.Millisecond)
	}
	info := must[rlhf.RunInfo](t)(must[rlhf.PPORun](t)(there.OpenPPO("p")).Info())
	if points := must[[]rlhf.Point](t)(there.History("p")); len(points) != info.Step || info.Step < seen {
		t.Errorf("the run is at step %d with %d points, seen were %d", info.Step, len(points), seen)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.With(ctx).Status(); err == nil {
		t.Error("the dead forward answers")
	}
}
