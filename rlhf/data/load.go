package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// Options of Load. The zero value loads everything at the path and skips odd rows.
type Options struct {
	Tranches []string // which tranches, e.g. "harmless-base"; none means all
	Part     string   // "train" or "test" of a folder that has both; "" means both
	Limit    int      // stop after that many comparisons of each file; 0 means all
	Strict   bool     // an odd row is an error
}

// A Report accounts for what Load read. Rows = Kept + the counts of Odd.
type Report struct {
	Files  []FileReport `json:"files"`
	Rows   int          `json:"rows"`             // lines with content that were read
	Kept   int          `json:"kept"`             // comparisons returned
	Odd    []OddRows    `json:"odd,omitempty"`    // rows skipped, by kind
	Extra  []string     `json:"extra,omitempty"`  // fields that rows had and nothing uses
	Passed []string     `json:"passed,omitempty"` // folders passed over
	SHA256 string       `json:"sha256"`           // Hash of the comparisons returned
}

// A FileReport counts the rows of one file.
type FileReport struct {
	File
	Rows int `json:"rows"`
	Kept int `json:"kept"`
}

// OddRows are the rows that were skipped for one reason.
type OddRows struct {
	Kind  Kind     `json:"kind"`
	Where []string `json:"where"` // "file:line"
}

// String is the report in lines for a reader.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d comparisons of %d rows", r.Kept, r.Rows)
	for _, f := range r.Files {
		fmt.Fprintf(&b, "\n  %s: %d of %d rows (%s)", f.Tranche, f.Kept, f.Rows, f.Path)
	}
	for _, odd := range r.Odd {
		where := strings.Join(odd.Where[:min(3, len(odd.Where))], ", ")
		if n := len(odd.Where) - 3; n > 0 {
			where += fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(&b, "\n  skipped, %s: %d (%s)", odd.Kind, len(odd.Where), where)
	}
	if len(r.Extra) > 0 {
		fmt.Fprintf(&b, "\n  fields not used: %s", strings.Join(r.Extra, ", "))
	}
	for _, p := range r.Passed {
		fmt.Fprintf(&b, "\n  folder passed over: %s", p)
	}
	return b.String()
}

// Load reads the comparisons at path, a file or a folder, into memory. The
// error, if any, is the first; the report then covers what was read before it.
// No comparison at all is an error.
func Load(path string, opts Options) ([]rlhf.Comparison, Report, error) {
	var report Report
	if opts.Limit < 0 {
		return nil, report, fmt.Errorf("data: Options.Limit = %d, want 0 (all) or more", opts.Limit)
	}
	if p := opts.Part; p != "" && p != "train" && p != "test" {
		return nil, report, fmt.Errorf(`data: Options.Part = %q, want "train", "test" or "" for both`, p)
	}
	files, passed, err := Files(path)
	if err != nil {
		return nil, report, err
	}
	report.Passed = passed
	for _, want := range opts.Tranches {
		if have := tranches(files); !slices.Contains(have, want) {
			return nil, report, fmt.Errorf("data: Options.Tranches names %q, which is not in %s; there are %q", want, path, have)
		}
	}
	odd := map[Kind][]string{}
	var out []rlhf.Comparison
	for _, f := range files {
		if (len(opts.Tranches) > 0 && !slices.Contains(opts.Tranches, f.Tranche)) || (opts.Part != "" && f.Part != opts.Part) {
			continue
		}
		fr := FileReport{File: f}
		var failed error
		for row, err := range rows(f) {
			var rowErr *RowError
			if isRow := errors.As(err, &rowErr); err != nil && (!isRow || !rowErr.Kind.Odd() || opts.Strict) {
				failed = err
				break
			}
			fr.Rows++
			for _, name := range row.extra {
				if !slices.Contains(report.Extra, name) {
					report.Extra = append(report.Extra, name)
				}
			}
			if err != nil {
				odd[rowErr.Kind] = append(odd[rowErr.Kind], fmt.Sprintf("%s:%d", f.Path, rowErr.Line))
				continue
			}
			fr.Kept++
			out = append(out, row.Comparison)
			if fr.Kept == opts.Limit {
				break
			}
		}
		report.Files = append(report.Files, fr)
		report.Rows, report.Kept = report.Rows+fr.Rows, report.Kept+fr.Kept
		if failed != nil {
			err = failed
			break
		}
	}
	slices.Sort(report.Extra)
	report.account(odd, out)
	if err != nil {
		return nil, report, err
	}
	if len(out) == 0 {
		return nil, report, fmt.Errorf("data: no comparison in %s (%s); check the path and Options.Part = %q", path, report, opts.Part)
	}
	return out, report, nil
}

// account enters what was left out, by kind, and the hash of what was kept.
func (r *Report) account(odd map[Kind][]string, kept []rlhf.Comparison) {
	for _, kind := range oddKinds {
		if where := odd[kind]; len(where) > 0 {
			r.Odd = append(r.Odd, OddRows{kind, where})
		}
	}
	r.SHA256 = Hash(kept)
}

// Hash is the SHA-256, in hexadecimal, of comparisons in their order: tranche,
// prompts and responses, not where they came from. It names data in a manifest,
// whatever file and compression it was read from.
func Hash(cs []rlhf.Comparison) string {
	h := sha256.New()
	for _, c := range cs {
		for _, s := range []string{c.Tranche, c.Chosen.Prompt, c.Chosen.Response, c.Rejected.Prompt, c.Rejected.Response} {
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s)))) // so that no two lists of strings run together alike
			io.WriteString(h, s)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
