//go:build unix

package show_test

import (
	"encoding/gob"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"hhrlhf/kernel/show"
)

// cellEnv names the cell that a child process of this test is to be.
const cellEnv = "SHOW_TEST_CELL"

// TestCell is the cell program of TestGonb, not a test of its own.
func TestCell(t *testing.T) {
	r := newRun("lm", 3, 6, false)
	switch os.Getenv(cellEnv) {
	case "train":
		show.Train(r)
	case "fails":
		r.fails = 5
		show.Train(r)
	default:
		t.Skip("is the cell of TestGonb")
	}
}

// What arrives at the other end of GoNB's pipes, with this test as the kernel:
// everything, though the cell ends at once, and pictures with their size.
func TestGonb(t *testing.T) {
	for cell, wantExit := range map[string]int{"train": 0, "fails": 1} {
		t.Run(cell, func(t *testing.T) {
			shown, exit := kernel(t, cell)
			if exit != wantExit {
				t.Errorf("exit code %d, want %d", exit, wantExit)
			}
			if len(shown) < 2 {
				t.Fatalf("%d outputs arrived", len(shown))
			}
			picture, below := shown[len(shown)-2], shown[len(shown)-1]
			if raw, _ := picture.Data[protocol.MIMEImagePNG].([]byte); len(raw) < 1000 || picture.DisplayID == "" || picture.DisplayID == below.DisplayID {
				t.Errorf("picture: %d bytes under %q, text under %q", len(raw), picture.DisplayID, below.DisplayID)
			}
			want := map[string]any{"image/png": map[string]int{"width": 960, "height": 460}}
			if diff := cmp.Diff(want, picture.Metadata); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			for _, o := range shown {
				if s, _ := o.Data[protocol.MIMETextPlain].(string); s == "" {
					t.Errorf("an output without plain text: %v", o.DisplayID)
				}
			}
		})
	}
}

// kernel runs the cell with this process at the other end of its pipes and
// returns what it displayed and its exit code.
func kernel(t *testing.T, cell string) ([]protocol.DisplayData, int) {
	t.Helper()
	dir := t.TempDir()
	out, back := filepath.Join(dir, "out"), filepath.Join(dir, "back")
	for _, p := range []string{out, back} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			t.Skipf("no named pipes here: %v", err)
		}
	}
	// Open for reading and writing, so that neither side waits for the other.
	reader, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(back, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()

	cmd := exec.Command(os.Args[0], "-test.run=^TestCell$")
	cmd.Env = append(os.Environ(), cellEnv+"="+cell, protocol.GONB_PIPE_ENV+"="+out, protocol.GONB_PIPE_BACK_ENV+"="+back)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown []protocol.DisplayData
	done := make(chan error, 1)
	go func() {
		dec, enc := gob.NewDecoder(reader), gob.NewEncoder(writer)
		for {
			var d protocol.DisplayData
			if err := dec.Decode(&d); err != nil {
				done <- err
				return
			}
			if v, ok := d.Data[protocol.MIMECommValue].(protocol.CommValue); ok {
				if err := enc.Encode(&protocol.CommValue{Address: protocol.GonbuiSyncAckAddress, Value: v.Value}); err != nil {
					done <- err
					return
				}
				continue
			}
			shown = append(shown, d)
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	reader.Close() // as GoNB does: what was not read by now is lost
	if err := <-done; err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	return shown, cmd.ProcessState.ExitCode()
}
