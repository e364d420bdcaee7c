package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/study"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"class": func(v study.Verdict) string { return strings.ReplaceAll(string(v), " ", "-") },
	"png": func(raw []byte) template.URL { // our own pictures: nothing in them is anybody else's
		return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(raw))
	},
	"table": func(html string) template.HTML { return template.HTML(html) }, // show has escaped it
}).Parse(pageText))

// A part is one section of the page.
type part struct {
	study.Section
	Claims   []study.Claim
	Pictures []show.Picture
	Missing  string // why there is nothing
}

// contents are what the page is made of.
type contents struct {
	Plan   study.Plan
	When   string
	Parts  []part
	Claims []study.Claim
	Counts map[study.Verdict]int
	Runs   int
}

// Count is the number of claims of one verdict.
func (c contents) Count(v string) int { return c.Counts[study.Verdict(v)] }

// Write writes the page of what a study has measured into its folder, and returns its
// path. Sections that are not measured are named as such.
func Write(st *study.Study, runs []rlhf.RunInfo) (string, error) {
	measured, err := study.Read(st.Dir()) // asks for nothing new
	if err != nil {
		return "", err
	}
	all := filepath.Join(st.Dir(), "runs.json")
	recorded, err := record(all, runs)
	if err != nil {
		return "", err
	}
	c := contents{Plan: st.Plan, When: time.Now().UTC().Format("2 January 2006"), Counts: map[study.Verdict]int{}, Runs: len(recorded)}
	for _, s := range study.Sections {
		p := part{Section: s}
		p.Claims, err = s.Claims(measured)
		switch {
		case errors.Is(err, study.ErrNotMeasured):
			p.Missing = "not measured yet"
		case err != nil:
			return "", fmt.Errorf("report: section %s: %w", s.Name, err)
		default:
			if p.Pictures, err = draw(s.Name, measured); err != nil {
				return "", fmt.Errorf("report: section %s: figures: %w", s.Name, err)
			}
		}
		for _, claim := range p.Claims {
			c.Counts[claim.Verdict]++
		}
		c.Parts, c.Claims = append(c.Parts, p), append(c.Claims, p.Claims...)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, c); err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	path := filepath.Join(st.Dir(), "index.html")
	claims, err1 := json.MarshalIndent(c.Claims, "", " ")
	models, err2 := json.MarshalIndent(recorded, "", " ")
	return path, errors.Join(err1, err2,
		run.WriteFile(path, b.Bytes()),
		run.WriteFile(filepath.Join(st.Dir(), "claims.json"), append(claims, '\n')),
		run.WriteFile(all, append(models, '\n')),
		run.WriteFile(filepath.Join(st.Dir(), "REPORT.md"), []byte(Table(c.Claims))))
}

// A manifest is what must be known of a run to make it again. RUNS stands for the folder of
// the runs.
type manifest struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	Step    int             `json:"step"`
	Planned int             `json:"planned"`
	Params  int64           `json:"params"`
	Backend string          `json:"backend"`
	Config  json.RawMessage `json:"config"`
	Data    []rlhf.DataInfo `json:"data"`
}

// record adds runs to those that the file names. What is measured stays when the runs that
// it was measured on are gone, and so does what they were.
func record(path string, runs []rlhf.RunInfo) (all []manifest, err error) {
	if _, err := run.ReadJSON(path, &all); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	for _, r := range runs {
		m := manifest{r.Name, r.Kind, r.Step, r.Planned, r.Params, r.Backend, r.Config, slices.Clone(r.Data)}
		// Where things lie is so on this machine, and on no other.
		if kind, plugin, found := strings.Cut(r.Backend, ":"); found && filepath.IsAbs(plugin) {
			m.Backend = kind + ":" + filepath.Base(plugin)
		}
		here := filepath.Dir(r.Dir)
		m.Config = bytes.ReplaceAll(m.Config, []byte(here), []byte("RUNS"))
		for i := range m.Data {
			m.Data[i].Name = strings.ReplaceAll(m.Data[i].Name, here, "RUNS")
		}
		if i := slices.IndexFunc(all, func(o manifest) bool { return o.Name == m.Name }); i >= 0 {
			all[i] = m
		} else {
			all = append(all, m)
		}
	}
	return all, nil
}

// Table is the verdicts as a Markdown table.
func Table(claims []study.Claim) string {
	var b strings.Builder
	b.WriteString("| Section | The paper | Measured | Verdict |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, c := range claims {
		ours := c.Ours
		if c.Why != "" {
			ours = strings.TrimPrefix(ours+" ("+c.Why+")", " ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell.Replace(c.Section), cell.Replace(c.Says), cell.Replace(ours), c.Verdict)
	}
	return b.String()
}
