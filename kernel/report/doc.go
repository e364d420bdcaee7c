// Package report writes the page of a study: every claim of the paper, what was measured
// of it, the figures, and the verdicts. The page is one file, pictures included, with no
// script and no address of another machine in it.
//
// Beside the page lie claims.json, runs.json (the configuration, data and size of every
// run of the study) and REPORT.md, the table of verdicts alone.
package report
