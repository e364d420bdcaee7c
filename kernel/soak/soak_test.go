package soak_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/proxy/proxytest"
	"hhrlhf/kernel/soak"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pjrt"
)

// The test program is also the launcher, its guard, the cells' relay and the engine.
func TestMain(m *testing.M) {
	launch.Shim()
	if len(os.Args) != 4 || os.Args[1] != "kernel" && os.Args[1] != "engine" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	var err error
	if where, runs := os.Args[2], os.Args[3]; os.Args[1] == "engine" {
		err = serve(ctx, where, runs)
	} else {
		err = launch.Run(ctx, launch.Options{ConnectionFile: where, Repo: os.Getenv(repoEnv), BinDir: os.Getenv(binEnv), Warm: -1,
			EngineCmd: []string{os.Args[0], "engine", launch.SocketArg, runs}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	repoEnv = "SOAK_TEST_REPO"
	binEnv  = "SOAK_TEST_BIN"
)

// hostile is what the model of the runs folder of that name writes.
const (
	hostileRuns = "hostile"
	hostile     = ` <script>alert(1)</script><img src=x onerror=alert(2)></pre></table>`
)

func serve(ctx context.Context, socket, runs string) error {
	if runs == hostileRuns {
		lab, err := enginetest.New(enginetest.Options{Text: hostile})
		if err != nil {
			return err
		}
		return engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab})
	}
	lab, err := local.Open(local.Options{Dir: runs, Backend: os.Getenv("GOMLX_BACKEND")})
	if err != nil {
		return err
	}
	return engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab})
}

// prepare puts into the environment what the kernels of the test need.
func prepare(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles cells: not with -short")
	}
	bin, err := proxytest.Tools()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{repoEnv: repo, binEnv: bin, "RLHF_ENGINE_SOCK": ""} {
		t.Setenv(name, value)
	}
}

// A model that writes HTML, on the whole way: from the engine through a cell and
// gonb to what a front-end is sent. Nothing of it is markup there.
func TestHostileModel(t *testing.T) {
	prepare(t)
	dir, err := os.MkdirTemp("", "k") // short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := proxytest.WriteConnection(t, dir)
	cmd := exec.Command(os.Args[0], "kernel", file, hostileRuns)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	}()
	k := proxytest.Dial(t, file)
	r := k.Run(`import (
	"fmt"
	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)
%%
lm := lab.Must(lab.Attach().LM("lm", rlhf.LM{Planned: 2}))
prompts := []string{"\n\nHuman: <b>hello</b>\n\nAssistant:"}
samples := lab.Must(lm.Sample(prompts, rlhf.Sampling{}))
show.SampleTable(samples)
fmt.Println(samples[0].Response)
pm := lab.Must(lab.Attach().PM("pm", rlhf.PM{LM: "lm"}))
show.Choices(lab.Must(pm.BestOf("lm", prompts, 2, rlhf.Sampling{})), 2)
lab.Must(lab.Attach().OpenLM("<script>alert(3)</script>"))`)
	if !strings.Contains(r.Stdout, hostile) {
		t.Fatalf("the model did not write what it should: %+v", r)
	}
	found := 0
	for _, display := range r.Display {
		data, _ := display["data"].(map[string]any)
		for kind, v := range data {
			text, _ := v.(string)
			if kind != "text/html" && kind != "text/markdown" {
				continue
			}
			found += strings.Count(text, "&lt;script&gt;")
			for _, bad := range []string{"<script", "<img src=x", "</pre></table>", "<b>hello"} {
				if strings.Contains(text, bad) {
					t.Errorf("%s has %s: %.600s", kind, bad, text)
				}
			}
		}
	}
	if found == 0 {
		t.Errorf("no display shows what the model wrote: %+v", r.Display)
	}
	if r.Status != "error" || !strings.Contains(r.Stderr+fmt.Sprint(r.Error), "alert(3)") {
		t.Errorf("a run of a hostile name: %s", r.Stderr)
	}
}

// TestSoak lets each blow fall once. The hour is rlhf soak's.
func TestSoak(t *testing.T) {
	prepare(t)
	spec, err := pjrt.Backend(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOMLX_BACKEND", spec)
	r, err := soak.Run(t.Context(), soak.Options{
		Kernel: func(connection, runs string) []string { return []string{os.Args[0], "kernel", connection, runs} },
		Engine: func(socket, runs string) []string { return []string{os.Args[0], "engine", socket, runs} },
		Steps:  90, Every: 2 * time.Second, Event: func(e soak.Event) { t.Log(e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range r.All() {
		t.Error(fault)
	}
	want := []string{"interrupt", "cell", "gonb", "engine", "launcher", "restart", "limit", "slow", "round"}
	for _, kind := range want {
		if !slices.ContainsFunc(r.Kinds, func(k soak.Kind) bool { return k.Kind == kind }) {
			t.Errorf("no %s among the events", kind)
		}
	}
	if text := r.String(); !strings.Contains(text, "0 faults") && !t.Failed() {
		t.Errorf("the table does not say that there were no faults:\n%s", text)
	}
}
