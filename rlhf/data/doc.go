// Package data reads human preference comparisons: the released hh-rlhf files
// (Bai et al. 2022, §2; {"chosen": ..., "rejected": ...}, a whole transcript in
// each) and rows {"prompt", "chosen", "rejected"}, as JSON lines, plain or
// gzipped, from a file or a folder (package hub fetches the released ones).
//
//	cs, report, err := data.Load("hh-rlhf", data.Options{Tranches: []string{"harmless-base"}})
//	train, test := data.Split(cs, 0.05, 1)
//
// [Comparisons] streams: its memory does not grow with the file. [Load] reads
// into memory and accounts for every row in its [Report].
//
// [LoadPrompts] and [LoadAnswers] read the prompts of others' files, and what people
// answered to them, under the names that such fields have.
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
// # Preferences that nobody was asked for
//
// Preference-model pretraining learns from votes. [LoadThreads] makes comparisons
// of a Stack Exchange dump of any size, [Threads] streams its questions and answers,
// and [Ranked] and [Binarise] do the same for threads from elsewhere:
//
//	cs, report, err := data.LoadThreads("beer.stackexchange.Posts.xml.gz", data.ThreadOptions{})
//
// # Red-team attempts
//
// [Attempts] streams the conversations of red-team-attempts, with what they came to.
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
//
// Threads (Askell et al. 2021, section 4 and appendix C): a question and its answer
// are turns of Human and Assistant, not "Question: ... Answer: ...", since that is
// what finetuning then reads, and the marks GOOD and BAD stand at the beginning of
// the response, so that both sides share their prompt. The paper counts upvotes;
// dumps hold Score, upvotes less downvotes. Which pairs of a question are taken is
// not stated; [Ranked] says which are here. An accepted answer with a negative Score
// ranks −1, as the paper's wording has it. Bodies become plain text, a question's
// behind its title. 1% of the paper's pairs are held out; [Split] does it by question.
package data
