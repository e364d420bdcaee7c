// Package notebooks_test executes the course: every notebook beside this file,
// at its tiny size, through the same path as `rlhf run` or through papermill or
// nbconvert, looks at what the cells left, and converts what is committed.
package notebooks_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/models"
)

// lacks says what a notebook reads that is neither in the repository nor here,
// "" if it has all it needs.
func lacks(path, data string) string {
	switch path {
	case "01_real_comparisons.ipynb", "05_preferences.ipynb":
		if os.Getenv("HHRLHF_DATA") == "" {
			return "HHRLHF_DATA is not set: it names the folder that holds hh-rlhf/, which this notebook reads"
		}
	case "04_real_models.ipynb":
		if _, ok := models.SmolLM2.Find(filepath.Join(data, models.Folder)); !ok {
			return "SmolLM2 is not installed, which this notebook reads; run: go run ./kernel/cmd/rlhf setup -model smollm2"
		}
	}
	return ""
}

type notebook struct {
	Cells []cell `json:"cells"`
}

type cell struct {
	Type     string `json:"cell_type"`
	Source   lines  `json:"source"`
	Metadata struct {
		Tags []string `json:"tags"`
	} `json:"metadata"`
	Outputs []output `json:"outputs"`
}

type output struct {
	Type string           `json:"output_type"`
	Data map[string]lines `json:"data"`
	Text lines            `json:"text"`
}

// lines is what nbformat keeps as a string or as a list of strings; what is JSON of
// another kind is kept as it stands.
type lines string

func (l *lines) UnmarshalJSON(b []byte) error {
	var many []string
	if json.Unmarshal(b, &many) == nil {
		*l = lines(strings.Join(many, ""))
		return nil
	}
	one := ""
	if json.Unmarshal(b, &one) != nil {
		one = string(b)
	}
	*l = lines(one)
	return nil
}

func read(t *testing.T, path string) notebook {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var nb notebook
	if err := json.Unmarshal(raw, &nb); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return nb
}

func all(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.ipynb")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatal("no notebooks here")
	}
	return paths
}

func TestExecute(t *testing.T) {
	if testing.Short() {
		t.Skip("executing notebooks takes minutes; -short is set")
	}
	// At the tiny size most of the time is compilation, and most of that is XLA's optimizer.
	t.Setenv("XLA_FLAGS", strings.TrimSpace(os.Getenv("XLA_FLAGS")+" --xla_backend_optimization_level=0"))
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all(t) {
		t.Run(path, func(t *testing.T) {
			if missing := lacks(path, in.Dirs.Data); missing != "" {
				t.Skip(missing)
			}
			out, runs := filepath.Join(t.TempDir(), "out.ipynb"), t.TempDir()
			execute := through[path]
			if execute == nil {
				execute = byNbclient
			}
			if err := execute(t, in.Dirs, path, out, runs); err != nil {
				t.Fatal(err)
			}
			if made, _ := os.ReadDir(runs); len(made) == 0 {
				t.Error("nothing in the folder of the runs that it was given")
			}
			check(t, read(t, path), read(t, out))
		})
	}
}

// TestCommitted checks the outputs that are committed, those of a default run.
func TestCommitted(t *testing.T) {
	for _, path := range all(t) {
		t.Run(path, func(t *testing.T) { check(t, read(t, path), read(t, path)) })
	}
}

// mimes are the forms in which a notebook may show something: those that every
// front-end draws, also from a file that it does not trust.
var mimes = []string{"image/png", "text/html", "text/markdown", "text/plain", "application/vnd.jupyter.widget-view+json"}

// check compares an execution with the committed one cell by cell: no error, the
// same kinds of output, and pictures that show something.
func check(t *testing.T, committed, got notebook) {
	t.Helper()
	got.Cells = slices.DeleteFunc(got.Cells, func(c cell) bool { return slices.Contains(c.Metadata.Tags, "injected-parameters") }) // papermill's
	if len(committed.Cells) != len(got.Cells) {
		t.Fatalf("%d cells, want %d", len(got.Cells), len(committed.Cells))
	}
	pictures := 0
	for i, c := range got.Cells {
		if c.Type != "code" {
			continue
		}
		if n := strings.Count(string(c.Source), "\n") + 1; n > 20 {
			t.Errorf("cell %d has %d lines; a reader should see 3 to 8, and never more than 20", i, n)
		}
		if a, b := kinds(committed.Cells[i].Outputs), kinds(c.Outputs); a != b {
			t.Errorf("cell %d shows %q, the committed one %q", i, b, a)
		}
		for _, o := range c.Outputs {
			if o.Type == "error" {
				t.Errorf("cell %d failed", i)
			}
			if png, ok := o.Data["image/png"]; ok {
				pictures++
				if err := blank(string(png)); err != nil {
					t.Errorf("cell %d: %v", i, err)
				}
			}
			if o.Data != nil && o.Data["text/plain"] == "" {
				t.Errorf("cell %d: an output has no text/plain, which is what a terminal shows", i)
			}
			for kind, text := range o.Data {
				if !slices.Contains(mimes, kind) {
					t.Errorf("cell %d shows %s; want one of %s", i, kind, strings.Join(mimes, ", "))
				}
				if strings.HasPrefix(kind, "text/") {
					portable(t, i, kind, string(text))
				}
			}
		}
	}
	if pictures == 0 {
		t.Error("no picture in the whole notebook")
	}
}

// kinds lists the richest form of each output; streams do not count, since
// progress may or may not be printed.
func kinds(outputs []output) string {
	var ks []string
	for _, o := range outputs {
		switch {
		case o.Data["image/png"] != "":
			ks = append(ks, "picture")
		case o.Data["text/html"] != "" || o.Data["text/markdown"] != "":
			ks = append(ks, "text")
		}
	}
	return strings.Join(ks, " ")
}

// blank reports a picture that cannot be decoded, is small, or has hardly any
// dark pixel: axes and curves have thousands.
func blank(encoded string) error {
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\n", ""))
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	size, ink := img.Bounds(), 0
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r+g+b < 3*0x8000 {
				ink++
			}
		}
	}
	if size.Dx() < 400 || size.Dy() < 200 || ink < 2000 {
		return fmt.Errorf("picture of %d × %d with %d dark pixels: too small or blank", size.Dx(), size.Dy(), ink)
	}
	return nil
}

// portable refuses what an untrusted copy of the notebook would lose, and what
// belongs to the machine that executed it.
func portable(t *testing.T, cell int, kind, text string) {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<style", "<svg", "<iframe", "<form", home + "/", os.TempDir() + "/"} {
		if strings.Contains(text, bad) {
			t.Errorf("cell %d: %s output contains %q", cell, kind, bad)
		}
	}
}

// The checks must be able to fail.
func TestChecksCanFail(t *testing.T) {
	if blank(base64.StdEncoding.EncodeToString([]byte("no picture"))) == nil {
		t.Error("a broken picture passes")
	}
	// One white pixel, as PNG.
	white := "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
	if blank(white) == nil {
		t.Error("a blank picture passes")
	}
	if a, b := kinds([]output{{Data: map[string]lines{"image/png": "x"}}}), kinds(nil); a == b {
		t.Error("a missing picture passes")
	}
}
