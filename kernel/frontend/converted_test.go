package frontend_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"hhrlhf/kernel/setup"
)

// TestConvertedPage opens the page that nbconvert makes of the tour where there is no
// network: everything but the setting of formulas is in it.
func TestConvertedPage(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser: not with -short")
	}
	b := startBrowser(t)
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), in.Dirs.Python(), "-m", "nbconvert", "--to", "html", "--output-dir", dir,
		filepath.Join(in.Dirs.Repo, "notebooks", "00_tour.ipynb"))
	cmd.Env = setup.JupyterEnv(in.Dirs, os.Environ())
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	p := b.open(t, "about:blank")
	p.do(network.SetBlockedURLs([]string{"http://*", "https://*"}))
	p.visit("file://" + filepath.Join(dir, "00_tour.html"))
	p.wait("the page", patience, `document.readyState === "complete"`)
	type found struct{ Pictures, Tables, Go int }
	got := eval[found](p, `({Pictures: [...document.images].filter(e => e.naturalWidth > 400).length, Tables: document.querySelectorAll(".jp-OutputArea table").length,
		Go: new Set([...document.querySelectorAll(".hl-go span[class]")].map(e => getComputedStyle(e).color)).size})`)
	if want := eval[int](p, `document.images.length`); got.Pictures != want || want < 5 {
		t.Errorf("%d of %d pictures are drawn", got.Pictures, want)
	}
	if got.Tables < 5 || got.Go < 4 {
		t.Errorf("%d tables, Go in %d colours", got.Tables, got.Go)
	}
	for _, u := range p.left() {
		if !strings.Contains(u, "/require.js/") && !strings.Contains(u, "/mathjax/") && !strings.Contains(u, "/mermaid") {
			t.Errorf("the page asks for %s", u)
		}
	}
	p.picture("converted")
}
