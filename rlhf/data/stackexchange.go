package data

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// ThreadOptions of LoadThreads. The zero value reads everything, makes at most
// DefaultPairs pairs of a thread, binarises them and skips odd rows.
type ThreadOptions struct {
	Ranked bool // leave the pairs as Ranked makes them, without Binarise
	Pairs  int  // pairs of one thread, at most, before they are binarised; 0 means DefaultPairs
	Rows   int  // read only the first so many rows of each file; 0 means all
	Limit  int  // stop after that many comparisons of each file; 0 means all
	Strict bool // an odd row is an error
}

// IsDump reports whether path is a Stack Exchange dump: a file named *Posts.xml or
// *Posts.xml.gz, or a folder that holds such files and no comparisons.
func IsDump(path string) bool {
	files, err := dumps(path)
	if err != nil || !dumpName(files[0].Path) {
		return false
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return err == nil
	}
	others, _, _ := Files(path) // any .gz among them
	return !slices.ContainsFunc(others, func(f File) bool { return jsonLines(f.Path) })
}

func dumpName(path string) bool {
	return strings.HasSuffix(strings.TrimSuffix(path, ".gz"), "Posts.xml")
}

// dumps lists the dumps at path, a file or a folder, in the order of their names.
func dumps(path string) (files []File, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w; give the path of a Posts.xml or Posts.xml.gz file, or of a folder with such files", err)
	}
	if !info.IsDir() {
		return []File{dumpAt(path)}, nil
	}
	root, err := filepath.EvalSymlinks(path) // WalkDir would not enter a link
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(d.Name(), "."); {
		case err != nil:
			return err
		case p != root && d.IsDir() && hidden:
			return fs.SkipDir
		case !d.IsDir() && !hidden && dumpName(p):
			files = append(files, dumpAt(p))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("data: reading the folder %s: %w", path, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data: no *Posts.xml or *Posts.xml.gz file in the folder %s; Stack Exchange publishes one of each site", path)
	}
	return files, nil
}

// dumpAt names the tranche after the site: the file's name, or its folder's.
func dumpAt(path string) File {
	tranche := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), "Posts.xml")
	if tranche = strings.TrimSuffix(tranche, "."); tranche == "" {
		if abs, err := filepath.Abs(path); err == nil {
			tranche = filepath.Base(filepath.Dir(abs))
		}
	}
	return File{Path: path, Tranche: tranche}
}

// Threads streams the questions of the dumps at path, a file or a folder, with their
// answers, file after file and in the order of the row ids, whatever the order of
// the rows; a question without answers comes too. A row at fault, broken or odd,
// comes as a [*RowError], after which the caller may go on; any other error is the
// last. What is odd: an answer without its question, a post without text, an answer
// of the same text as another (these lack in their thread), and the marker of a turn
// in a text (that thread lacks).
//
// Answers and questions are joined by sorting them on disk, in a temporary file that
// is as large as the texts of one dump: memory holds 32 MiB of posts and one thread,
// whatever the size of the dump.
func Threads(path string) iter.Seq2[Thread, error] {
	return func(yield func(Thread, error) bool) {
		files, err := dumps(path)
		if err != nil {
			yield(Thread{}, err)
			return
		}
		for _, f := range files {
			for t, err := range join(f.Path, postMemory, 0, new(int)) {
				if !yield(t.Thread, err) {
					return
				}
				if rowErr := (*RowError)(nil); err != nil && !errors.As(err, &rowErr) {
					return
				}
			}
		}
	}
}

// LoadThreads makes comparisons of the [Threads] at path, [Ranked] and [Binarise]d,
// in memory. The error, if any, is the first; the report then covers what was read
// before it. No comparison at all is an error.
//
// A comparison's Source is the file and the row ids of the chosen and of the
// rejected answer, "file:4/1007". Its Tranche is the file's name,
// "beer.stackexchange" of beer.stackexchange.Posts.xml.gz, or the folder's of a
// plain Posts.xml. In the report, Rows counts the rows of the files, and of what is
// odd stands "file:line (row id)"; Kept counts comparisons, so that the two do not
// add up.
func LoadThreads(path string, o ThreadOptions) ([]rlhf.Comparison, Report, error) {
	var report Report
	if o.Pairs < 0 || o.Rows < 0 || o.Limit < 0 {
		return nil, report, fmt.Errorf("data: ThreadOptions.Pairs = %d, Rows = %d, Limit = %d, want 0 (the default, all and all) or more", o.Pairs, o.Rows, o.Limit)
	}
	files, err := dumps(path)
	if err != nil {
		return nil, report, err
	}
	odd := map[Kind][]string{}
	var out []rlhf.Comparison
	for _, f := range files {
		fr := FileReport{File: f}
		var cs []rlhf.Comparison
		for t, failed := range join(f.Path, postMemory, o.Rows, &fr.Rows) {
			var rowErr *RowError
			if isRow := errors.As(failed, &rowErr); failed != nil && (!isRow || !rowErr.Kind.Odd() || o.Strict) {
				err = failed
				break
			}
			if failed != nil {
				odd[rowErr.Kind] = append(odd[rowErr.Kind], fmt.Sprintf("%s:%d (row %d)", f.Path, rowErr.Line, t.ids[0]))
				continue
			}
			cs = append(cs, t.comparisons(f, o)...)
			if o.Limit > 0 && len(cs) >= o.Limit {
				cs = cs[:o.Limit]
				break
			}
		}
		fr.Kept = len(cs)
		out = append(out, cs...)
		report.Files = append(report.Files, fr)
		report.Rows, report.Kept = report.Rows+fr.Rows, report.Kept+fr.Kept
		if err != nil {
			break
		}
	}
	report.account(odd, out)
	if err != nil {
		return nil, report, err
	}
	if len(out) == 0 {
		return nil, report, fmt.Errorf("data: no comparison in %s (%s); a pair needs two answers of one question whose votes give them different ranks", path, report)
	}
	return slices.Clip(out), report, nil
}

func (t joined) comparisons(f File, o ThreadOptions) []rlhf.Comparison {
	var out []rlhf.Comparison
	for _, p := range pairUp(t.Answers, o.Pairs) {
		c := compare(t.Thread, p)
		c.Tranche, c.Source = f.Tranche, fmt.Sprintf("%s:%d/%d", f.Path, t.ids[p.chosen], t.ids[p.rejected])
		out = append(out, c)
	}
	if !o.Ranked {
		out = Binarise(out)
	}
	return out
}
