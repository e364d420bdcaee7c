package notebooks_test

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/setup"
)

// through lists the notebooks that other programs than ours execute, so that
// every one is executed once and each program executes some.
var through = map[string]func(t *testing.T, d setup.Dirs, path, out, runs string) error{
	"02_language_model.ipynb":         byPapermill,
	"07_pm_scaling_and_tension.ipynb": byPapermill,
	"12_online.ipynb":                 byPapermill,
	"03_context_distillation.ipynb":   byNbconvert,
}

// byNbclient is `rlhf run`.
func byNbclient(t *testing.T, d setup.Dirs, path, out, runs string) error {
	return headless.Run(t.Context(), path, headless.Options{
		Dirs: d, Out: out, Size: "tiny", Runs: runs, Report: headless.Printer(os.Stderr, path), Stderr: os.Stderr})
}

// byPapermill gives size and runs as papermill's parameters.
func byPapermill(t *testing.T, d setup.Dirs, path, out, runs string) error {
	return jupyter(t, d, nil, "papermill", "--no-progress-bar", "-p", "size", "tiny", "-p", "runs", runs, path, out)
}

// byNbconvert gives them as variables of the environment.
func byNbconvert(t *testing.T, d setup.Dirs, path, out, runs string) error {
	return jupyter(t, d, []string{headless.SizeEnv + "=tiny", headless.RunsEnv + "=" + runs},
		"nbconvert", "--execute", "--to", "notebook", "--output-dir", filepath.Dir(out), "--output", filepath.Base(out), path)
}

// jupyter runs a program of the private environment.
func jupyter(t *testing.T, d setup.Dirs, env []string, program string, args ...string) error {
	cmd := exec.CommandContext(t.Context(), d.Python(), append([]string{"-m", program}, args...)...)
	cmd.Env = append(setup.JupyterEnv(d, os.Environ()), env...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, said)
	}
	return nil
}

// TestParameters checks that papermill finds the cell behind which it declares.
func TestParameters(t *testing.T) {
	for _, path := range all(t) {
		tagged := slices.DeleteFunc(read(t, path).Cells, func(c cell) bool { return !slices.Contains(c.Metadata.Tags, "parameters") })
		if len(tagged) != 1 || !regexp.MustCompile(`(?m)^\s+size\s+= lab.Size\(\)`).MatchString(string(tagged[0].Source)) {
			t.Errorf("%s: %d cells are tagged \"parameters\"; want the one that declares size", path, len(tagged))
		}
	}
}

// TestConvert makes pages of the committed notebooks, as a reader would.
func TestConvert(t *testing.T) {
	if testing.Short() {
		t.Skip("converts every notebook twice, which takes half a minute: not with -short")
	}
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir, paths := t.TempDir(), all(t)
	for _, to := range []string{"html", "markdown"} {
		if err := jupyter(t, in.Dirs, nil, "nbconvert", append([]string{"--to", to, "--output-dir", dir}, paths...)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			nb, name := read(t, path), filepath.Join(dir, strings.TrimSuffix(path, ".ipynb"))
			page, text := content(t, name+".html"), content(t, name+".md")
			code, pictures, tables := 0, 0, 0
			for _, c := range nb.Cells {
				if c.Type == "code" {
					code++
				}
				for _, o := range c.Outputs {
					switch {
					case o.Data["image/png"] != "":
						pictures++
					case strings.Contains(string(o.Data["text/html"]), "<table"):
						tables += strings.Count(string(o.Data["text/html"]), "<table")
					}
				}
			}
			if got := strings.Count(page, `<div class="highlight hl-go">`); got != code || !strings.Contains(page, `<span class="nx">lab</span><span class="p">.</span>`) {
				t.Errorf("HTML: %d cells of highlighted Go, want %d", got, code)
			}
			if got := strings.Count(page, `src="data:image/png;base64,`); got != pictures {
				t.Errorf("HTML: %d pictures, want %d", got, pictures)
			}
			if got := strings.Count(text, "<table"); got != tables {
				t.Errorf("Markdown: %d tables, want %d", got, tables)
			}
			if got := strings.Count(text, "```go"); got != code {
				t.Errorf("Markdown: %d cells of Go, want %d", got, code)
			}
			if got := len(shown(t, dir, text)); got != pictures {
				t.Errorf("Markdown: %d pictures, want %d", got, pictures)
			}
			if urls := fetched(page); len(urls) > 0 {
				t.Errorf("HTML: fetches %.200q", urls)
			}
		})
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// shown returns the pictures of a Markdown text, which must be there.
func shown(t *testing.T, dir, text string) []string {
	t.Helper()
	var files []string
	for _, m := range regexp.MustCompile(`!\[[^]]*\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		info, err := os.Stat(filepath.Join(dir, m[1]))
		if err != nil {
			t.Error(err)
		} else if info.Size() == 0 {
			t.Errorf("%s is empty", m[1])
		}
		files = append(files, m[1])
	}
	return files
}

// libraries are what nbconvert's own template fetches: MathJax sets the formulas,
// and without a network they stay as they are written. Everything else is in the page.
var libraries = []string{"/require.js/", "/mathjax/", "/mermaid/", "/mermaid-layout-elk/"}

var address = regexp.MustCompile(`(?i)<(?:img|script|link|iframe|source)\b[^>]*?\s(?:src|href)=["']?([^"'\s>]+)|\bimport [^;]*?["'](https?:[^"']+)|url\(["']?(https?:[^"')]+)`)

// fetched lists what a page fetches when it is opened, those libraries excepted.
func fetched(page string) (urls []string) {
	for _, m := range address.FindAllStringSubmatch(page, -1) {
		u := html.UnescapeString(m[1] + m[2] + m[3])
		known := slices.ContainsFunc(libraries, func(l string) bool { return strings.Contains(u, l) })
		if !known && !strings.HasPrefix(u, "data:") {
			urls = append(urls, u)
		}
	}
	return urls
}

// The checks must be able to fail.
func TestFetched(t *testing.T) {
	for _, page := range []string{`<img alt="x" src="https://example.com/a.png">`, `<script src='//example.com/a.js'>`, `<img src=missing.png>`,
		`<link rel="stylesheet" href="https://example.com/a.css">`, `<style>@font-face { src: url(https://example.com/a.woff) }</style>`,
		`<script>import x from "https://example.com/x.mjs";</script>`} {
		if len(fetched(page)) != 1 {
			t.Errorf("%s passes", page)
		}
	}
	if got := fetched(`<img src="data:image/png;base64,AAAA"><a href="https://example.com">a link is not fetched</a>`); got != nil {
		t.Errorf("refused: %q", got)
	}
}
