package frontend_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tour executes the tour and looks at it in all the ways in which it is read.
func tour(t *testing.T, b *browser, l *jupyterLab) {
	raw, err := os.ReadFile(filepath.Join(l.in.Dirs.Repo, "notebooks", "00_tour.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	// Long enough to be watched at the tiny size.
	longer := strings.Replace(string(raw), "KLCoef: 0.05, ", "KLCoef: 0.05, Planned: 60, ", 1)
	if longer == string(raw) {
		t.Fatal("the tour's policy is declared in another way than this test knows")
	}
	if err := os.WriteFile(l.file("tour.ipynb"), []byte(longer), 0o644); err != nil {
		t.Fatal(err)
	}
	n := b.openNotebook(t, l, "tour.ipynb")
	eval[any](n.tab, `jupyterapp.commands.execute("notebook:clear-all-cell-outputs").then(() => { jupyterapp.commands.execute("notebook:run-all-cells"); return 0 })`)
	code := eval[[]int](n.tab, `%s.content.widgets.map((w, i) => w.model.type === "code" ? i : -1).filter(i => i >= 0)`, panel)
	for _, i := range code {
		if i == tourPPO {
			until(t, "the policy's run", 4*patience, func() (bool, string) {
				said := n.text(i)
				return stepNumber.MatchString(said) && atStep(t, said) >= 20, said
			})
			n.choose(i)
			if said := n.prompt(i); !strings.Contains(said, "*") {
				t.Errorf("the run has ended before it was looked at: %s", said)
			}
			looksLike(t, "training", n.picture("training"), 0.06)
		}
		n.done(i, 4*patience)
		n.noError(i)
	}
	n.save()
	saved := read(t, l.file("tour.ipynb"))
	pictures := 0
	for i, c := range saved.Cells {
		var kept []string
		for _, o := range c.Outputs {
			if png := o.Data["image/png"]; png != "" {
				kept = append(kept, "data:image/png;base64,"+strings.ReplaceAll(string(png), "\n", ""))
			}
		}
		shown := eval[[]string](n.tab, `[...%s.querySelectorAll(".jp-OutputArea img")].map(e => e.src.replaceAll("%%0A", ""))`, cell(i))
		if !slices.Equal(kept, shown) {
			t.Errorf("cell %d: the file's %d pictures are not the %d that are shown last", i, len(kept), len(shown))
		}
		pictures += len(kept)
	}
	if pictures < 5 {
		t.Errorf("%d pictures in the tour, want 5 or more", pictures)
	}
	for _, i := range []int{tourPM, tourPPO, tourSqrtKL} {
		n.shows(i)
	}
	n.choose(tourPPO)
	looksLike(t, "tour", n.picture("tour"), 0.03)
	n.themed("JupyterLab Dark")
	n.shows(tourPPO)
	n.readable(tourTable, tourPPO, tourPPO+2)
	n.choose(tourPPO)
	looksLike(t, "tour-dark", n.picture("tour-dark"), 0.03)
	n.themed("JupyterLab Light")
	n.readable(tourTable, tourPPO, tourPPO+2)
	n.clean()

	// A copy that somebody else has edited is not trusted: scripts, style sheets
	// and SVG are taken out, and nothing of ours is lost.
	// Words and colours; how the style is spelt is the sanitiser's.
	table := fmt.Sprintf(`[...%s.querySelectorAll(".jp-OutputArea td")].map(e => e.textContent + " on " + getComputedStyle(e).backgroundColor).join("\n")`, cell(tourTable))
	want := eval[string](n.tab, "%s", table)
	if raw, err = os.ReadFile(l.file("tour.ipynb")); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(raw), "The tour", "The edited tour", 1)
	if err := os.WriteFile(l.file("copy.ipynb"), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	c := b.openNotebook(t, l, "copy.ipynb")
	if eval[bool](c.tab, `[...Array(%s.content.widgets.length).keys()].some(i => %s.content.widgets[i].model.trusted)`, panel, panel) {
		t.Error("the edited copy is trusted")
	}
	for i, cell := range saved.Cells {
		if a, b := n.count(i, ".jp-OutputArea img"), c.count(i, ".jp-OutputArea img"); cell.Type == "code" && a != b {
			t.Errorf("cell %d of the untrusted copy shows %d pictures, the notebook %d", i, b, a)
		}
	}
	for _, i := range []int{tourPM, tourPPO} {
		c.shows(i)
	}
	if got := eval[string](c.tab, "%s", table); got != want {
		t.Errorf("the untrusted copy's table is\n%s\nthe notebook's\n%s", got, want)
	}
	c.clean()
}

// Cells of the tour.
const (
	tourTable  = 7  // samples of the language model
	tourPM     = 10 // training of the preference model
	tourPPO    = 21 // training of the policy
	tourSqrtKL = 24
)

// themed chooses a theme and waits until it is there.
func (n *notebook) themed(name string) {
	n.t.Helper()
	eval[any](n.tab, `jupyterapp.commands.execute("apputils:change-theme", {theme: %q}).then(() => 0)`, name)
	n.wait(name, patience, `document.body.dataset.jpThemeName === %q`, name)
}
