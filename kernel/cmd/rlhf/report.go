package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hhrlhf/kernel/host"
	"hhrlhf/kernel/report"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/study"
)

// reportFlags are the flags of rlhf report.
type reportFlags struct {
	name, runs, size, only, out, tasks, comparisons, model string
	seeds                                                  []int
	asJSON                                                 bool
}

func reportCommand() command { return reportCommandOn(terminal()) }

func reportCommandOn(s shell) command {
	return command{
		name: "report", short: "the paper's whole study: every claim, what was measured, the verdict",
		long: `
Trains a grid of models on the synthetic world, measures what the paper measures, and writes
one page: every claim, what was measured of it with its interval, the figure, and whether
it held. Ctrl-C keeps what is done, and so does a power cut; the same command goes on.

  rlhf report -size tiny                      everything, and nothing well: minutes
  rlhf report -size small                     three seeds, three sizes of model: an hour or two
  rlhf report -size large                     for a GPU
  rlhf report -size small -only robustness    one section, with the models that it needs
  rlhf report -size small -o notebooks/report the folder that notebooks 14 to 20 read
  rlhf report -size small -seeds 3            one seed's part, beside another process with -seeds 1,2

Sections that read public files look for them in $HHRLHF_DATA: eval (task files) and
hh-rlhf (comparisons). What is not there is said in the page.

Sections: ` + strings.Join(sectionNames(), ", ") + `.

In the folder: index.html (the page), claims.json, runs.json (every run's configuration),
plan.json and measured/ (what is measured, one file each; remove one, and it is measured again).`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f reportFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return f.do(ctx, s)
			}
		},
	}
}

func (f *reportFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.size, "size", "tiny", "tiny, glance, small or large")
	fs.StringVar(&f.name, "name", "", "`name` of the study, with which the names of its runs begin (default report-SIZE)")
	bindRuns(fs, &f.runs)
	fs.StringVar(&f.only, "only", "", "`sections` to measure, with commas between them (default all)")
	fs.Func("seeds", "`seeds` that this process measures, with commas between them (default all): several processes, each with its own, share a study", func(list string) error {
		for part := range strings.SplitSeq(list, ",") {
			seed, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			f.seeds = append(f.seeds, seed)
		}
		return nil
	})
	fs.StringVar(&f.out, "o", "", "`folder` of the page and of what is measured (default .study/NAME beside the runs)")
	fs.StringVar(&f.tasks, "tasks", underData("eval"), "`folder` of the public task files")
	fs.StringVar(&f.comparisons, "comparisons", underData("hh-rlhf"), "`folder` of the released comparisons")
	fs.StringVar(&f.model, "model", "smollm2", "pretrained `model` that public tasks are asked of")
	fs.BoolVar(&f.asJSON, "json", false, "print the claims as JSON on standard output")
}

// underData is a file or folder of the user's data sets, "" where there is none.
func underData(name string) string {
	root := os.Getenv(host.DataEnv)
	if root == "" {
		return ""
	}
	path := filepath.Join(root, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func sectionNames() (names []string) {
	for _, s := range study.Sections {
		names = append(names, s.Name)
	}
	return names
}

// sections are those that the flags ask for.
func (f reportFlags) sections() ([]study.Section, error) {
	if f.only == "" {
		return study.Sections, nil
	}
	var out []study.Section
	for name := range strings.SplitSeq(f.only, ",") {
		i := slices.IndexFunc(study.Sections, func(s study.Section) bool { return s.Name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("report: -only: there is no section %q; there are %s", name, strings.Join(sectionNames(), ", "))
		}
		out = append(out, study.Sections[i])
	}
	return out, nil
}

func (f reportFlags) do(ctx context.Context, s shell) error {
	const command = "report"
	plan, err := study.Named(f.size)
	if err != nil {
		return fmt.Errorf("%s: -size: %w", command, err)
	}
	sections, err := f.sections()
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = "report-" + f.size
	}
	l, err := s.lab(ctx, f.runs)
	if err != nil {
		return err
	}
	p := newProgress(s.err, command)
	st, err := study.Open(l, f.name, plan, study.Options{Dir: f.out, Tasks: f.tasks, Comparisons: f.comparisons, Model: f.model, Seeds: f.seeds, Say: func(e rlhf.Event) error {
		if e.Kind == study.Kind {
			p.say("%s", e.Message)
			return nil
		}
		p.left = e.Left
		p.at(e.Step, e.Of, e.Run)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	st = st.With(ctx)
	if len(f.seeds) > 0 {
		defer p.say("seeds %v are measured; without -seeds the page is of all", f.seeds)
	}
	var claims []study.Claim
	for i, section := range sections {
		p.say("section %d of %d, %s", i+1, len(sections), section.Name)
		cs, err := section.Claims(st)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: stopped; what is done is kept, and the same command goes on", command)
			}
			return fmt.Errorf("%s: %w", command, err)
		}
		claims = append(claims, cs...)
	}
	runs, err := st.Runs()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	page, err := report.Write(st, runs)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	p.say("wrote %s", page)
	if f.asJSON {
		return printJSON(s.out, claims)
	}
	return printClaims(s.out, claims)
}

// printClaims prints a verdict a line, and the counts.
func printClaims(w io.Writer, claims []study.Claim) error {
	var b strings.Builder
	counts := map[study.Verdict]int{}
	for _, c := range claims {
		counts[c.Verdict]++
		fmt.Fprintf(&b, "%-14s  %-8s %s\n", c.Verdict, c.Section, c.Says)
		for _, line := range []string{c.Ours, c.Why} {
			if line != "" {
				fmt.Fprintf(&b, "                         %s\n", line)
			}
		}
	}
	fmt.Fprintf(&b, "%d claims: %d reproduced, %d not, %d out of reach at this size\n", len(claims), counts[study.Reproduced], counts[study.NotReproduced], counts[study.OutOfReach])
	_, err := io.WriteString(w, b.String())
	return err
}
