// Package data reads human preference comparisons: the released hh-rlhf files
// (Bai et al. 2022, §2; {"chosen": ..., "rejected": ...}, a whole transcript in
// each) and rows {"prompt", "chosen", "rejected"}, as JSON lines, plain or
// gzipped, from a file, from a folder or from the hub.
//
//	cs, report, err := data.Load("hh-rlhf", data.Options{Tranches: []string{"harmless-base"}})
//	train, test := data.Split(cs, 0.05, 1)
//
// [Comparisons] streams: its memory does not grow with the file. [Load] reads
// into memory and accounts for every row in its [Report].
//
// # Text to learn from
//
// [OpenText] opens plain text, JSON lines and transcripts of any size for
// language modelling; [Stream] packs them into rows in constant memory, [Mix] draws
// rows from several such sources at declared weights. Which row comes at which step
// follows from the seed alone, so that a resumed run needs no state:
//
//	text, err := data.OpenText("corpus.txt", data.TextOptions{HeldOut: 0.01})
//	rows, err := data.NewStream(text, 1024, seed, encode)
//
// # Layouts
//
// A folder is searched for *.jsonl and *.jsonl.gz, in the order of their names.
// The tranche is the file's name ("harmless-base.jsonl.gz") or, where that is
// train or test, its folder's ("harmless-base/train.jsonl.gz"). Folders named
// red-team-attempts (transcripts without a comparison) and hidden ones are
// passed over, and the report says so.
//
// # Errors
//
// A row that cannot be what it should be (broken JSON, a field missing or of
// another kind, bytes that are not UTF-8, a transcript that does not start with
// "\n\nHuman:" or has no Assistant turn) is an error with file, line, field, the
// value's beginning and a cure. A row that is well formed and yet of no use (see
// the odd kinds of [Kind]) is skipped and reported, or an error with
// Options.Strict. The released files hold a few such rows: 5 pairs with different
// prompts and 4 empty responses among the 2,312 of harmless-base/test.
//
// # Differences from the paper
//
// The paper splits 95/5, 65/35 or 50/50 at random (§2.3); [Split] does so by the
// conversation's first Human turn, since one conversation gives about four rows
// and each contains the one before it. Labels are taken as released, where those
// of the harmless tranche are turned over already: chosen is the less harmful.
package data
