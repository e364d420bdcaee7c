package gopls_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/gopls"
	"hhrlhf/kernel/proxy/proxytest"
)

// TestClient asks a gopls about files that are not on disk.
func TestClient(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts gopls: not with -short")
	}
	bin, err := proxytest.EditorTools()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "g") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range map[string]string{
		"go.mod":  "module gonb_test\n\ngo 1.26.5\n\nreplace hhrlhf => " + repo + "\n",
		"go.work": "go 1.26.5\n\nuse (\n\t.\n\t" + repo + "\n)\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "s")
	server := exec.Command(filepath.Join(bin, "gopls"), "-listen", "unix;"+socket)
	server.Dir = dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("gopls opened no socket")
		}
		time.Sleep(10 * time.Millisecond)
	}
	c, err := gopls.Dial(ctx, socket, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	// ask completes at the | of main.go.
	ask := func(main string) (texts []string, items []gopls.Item) {
		t.Helper()
		before, after, _ := strings.Cut(main, "|")
		text := before + after
		if err := c.Set(ctx, map[string]string{"main.go": text, "memory.go": "package main\n\nfunc remembered(n int) string { return \"\" }\n"}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		items, err := c.Complete(ctx, "main.go", gopls.At(text, len([]rune(before))))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.1f s, %d items for %q", time.Since(began).Seconds(), len(items), before)
		for _, it := range items {
			texts = append(texts, it.Text)
		}
		return texts, items
	}
	for _, q := range []struct {
		main string
		want []string
	}{
		{"package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Printl|\n}\n", []string{"Println"}},
		{"package main\n\nimport \"strings\"\n\nfunc main() {\n\ts := \"日本𝄞\"; strings.ToU|\n", []string{"ToUpper", "ToUpperSpecial"}},
		{"package main\n\nfunc main() {\n\tremem|\n}\n", []string{"remembered"}},
		{"package main\n\nfunc main() {\n\tstrings.HasS|\n}\n", []string{"HasSuffix"}},
		{"package main\n\nimport \"hhrlhf/kernel/lab\"\n\nfunc main() {\n\tlab.Att|\n}\n", []string{"Attach"}},
		{"package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Nonesuch|\n}\n", nil},
	} {
		texts, items := ask(q.main)
		if slices.Sort(texts); !slices.Equal(texts, q.want) {
			t.Errorf("%q: %q, want %q; %+v", q.main, texts, q.want, items)
		}
	}
	_, items := ask("package main\n\nfunc main() {\n\tremem|\n}\n")
	if len(items) != 1 || items[0].Kind != "function" || items[0].Detail != "func(n int) string" ||
		items[0].Range != (gopls.Range{Start: gopls.Position{Line: 3, Character: 1}, End: gopls.Position{Line: 3, Character: 6}}) {
		t.Errorf("got %+v", items)
	}
	text := "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(1)\n}\n"
	if err := c.Set(ctx, map[string]string{"main.go": text}); err != nil {
		t.Fatal(err)
	}
	for point, want := range map[int]string{strings.Index(text, "intln"): "func fmt.Println(a ...any)", 0: ""} {
		got, err := c.Hover(ctx, "main.go", gopls.At(text, point))
		if err != nil || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("hover at %d: %q, %v, want %q", point, got, err, want)
		}
	}
	server.Process.Kill()
	select {
	case <-c.Done():
	case <-ctx.Done():
		t.Error("the end of gopls goes unnoticed")
	}
}

func TestPositions(t *testing.T) {
	const text = "añ\n日𝄞x\n\n"
	for point, want := range map[int]gopls.Position{
		-1: {}, 0: {}, 1: {Character: 1}, 2: {Character: 2}, 3: {Line: 1}, 4: {Line: 1, Character: 1},
		5: {Line: 1, Character: 3}, 6: {Line: 1, Character: 4}, 7: {Line: 2}, 8: {Line: 3}, 99: {Line: 3},
	} {
		if got := gopls.At(text, point); got != want {
			t.Errorf("At(%d) = %+v, want %+v", point, got, want)
		}
		if back := gopls.Point(text, want); point >= 0 && point <= 8 && back != point {
			t.Errorf("Point(%+v) = %d, want %d", want, back, point)
		}
	}
	if got := gopls.Point(text, gopls.Position{Line: 1, Character: 99}); got != 6 {
		t.Errorf("beyond the line's end: %d, want 6", got)
	}
	if got := gopls.Point(text, gopls.Position{Line: 99}); got != 8 {
		t.Errorf("beyond the text's end: %d, want 8", got)
	}
}
