package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"hhrlhf/rlhf"
)

// pmScoreFlags are the flags of rlhf pm score.
type pmScoreFlags struct {
	pmFlags
	file, field string
	skip        bool
}

func pmScoreCommand(s shell) command {
	return command{
		name: "pm score", args: "[file]", maxArgs: 1, short: "score responses, JSON lines in and out",
		long: `
Reads JSON lines from the file or standard input and writes each of them, in order,
with its score behind its own fields. A row has one of

  {"prompt": ..., "response": ...}             gets "score"
  {"prompt": ..., "responses": [..., ...]}     gets "scores"
  {"prompt": ..., "text": ...}                 gets "score"; as rlhf lm sample -json prints
  {"text": whole transcript}                   gets "score"
  {"chosen": ..., "rejected": ...}             gets "score_chosen" and "score_rejected"

A transcript starts with "\n\nHuman:" and its last Assistant turn is scored. A prompt
is the transcript up to there, or plain text, which is taken for one Human turn.
Scores of one model compare; their zero means nothing.

  rlhf pm score -pm judge answers.jsonl > scored.jsonl
  rlhf lm sample -model first -chat -prompts p.txt -n 4 -json | rlhf pm score -pm judge
  rlhf pm score -pm judge -field a < rows.jsonl | rlhf pm score -pm other -field b

Rows are scored in batches of bounded size, and as soon as the input pauses, so it
stands in a pipe as long as it likes. A row that cannot be read or scored ends it, after
the rows before; with -skip a response that the model cannot score, because it
is longer than its context, gets null.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f pmScoreFlags
			f.bind(fs)
			fs.StringVar(&f.field, "field", "score", "`name` of the field that is written, in place of score")
			fs.BoolVar(&f.skip, "skip", false, "write null for a response that the model cannot score, and go on")
			fs.BoolVar(&f.asJSON, "json", false, "as everywhere; this command prints JSON with or without it")
			return func(ctx context.Context, args []string) error {
				if len(args) == 1 {
					f.file = args[0]
				}
				endsAtSecond(ctx)
				return runPMScore(ctx, s, f)
			}
		},
	}
}

// What a batch holds at most, and how long it waits for more rows than it has.
const (
	batchResponses = 256
	batchBytes     = 4 << 20
	batchLinger    = 50 * time.Millisecond
)

func runPMScore(ctx context.Context, s shell, f pmScoreFlags) error {
	const command = "pm score"
	if f.field == "" {
		return fmt.Errorf("%s: -field is empty; name the field to write", command)
	}
	in, name := s.in, "standard input"
	if f.file != "" && f.file != "-" {
		file, err := openLines(f.file)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		defer file.Close()
		in, name = file, f.file
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	if err := f.room(s, m, command); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the reading
	rows := readRows(ctx, in, name, f.field)
	out := bufio.NewWriter(s.out)
	p := newProgress(s.err, command)
	stop := func() {}
	scored, skipped := 0, 0
	var first *response // that was skipped
	for {
		batch, end := nextBatch(ctx, rows)
		if scored == 0 && len(batch) > 0 {
			stop = sync.OnceFunc(p.waiting("reading " + f.pm + " and compiling"))
		}
		err := f.score(ctx, m, batch)
		stop()
		for _, r := range batch {
			line, without, done := r.scored(f.field)
			if !done {
				break // err is this row's
			}
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			scored++
			if without != nil {
				skipped++
				first = cmp.Or(first, without)
			}
		}
		if flushErr := out.Flush(); flushErr != nil {
			return fmt.Errorf("%s: %w", command, flushErr)
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: stopped after %d rows", command, scored)
		case err != nil:
			return fmt.Errorf("%s: %w", command, err)
		case end != nil && end != io.EOF:
			return fmt.Errorf("%s: %w", command, end)
		case end != nil:
			if skipped > 0 {
				p.say("%d of %d rows have null; the first is %s: field %q: %v", skipped, scored, first.where, first.field, first.why)
			}
			return nil
		}
		p.at(scored, 0, "rows")
	}
}

// score scores the responses of a batch of rows. Where that fails it looks for the
// response at fault; all before it are scored then.
func (f pmScoreFlags) score(ctx context.Context, m preferenceModel, batch []*scoreRow) error {
	var all []*response
	for _, r := range batch {
		all = append(all, r.responses...)
	}
	for len(all) > 0 {
		n := min(len(all), batchResponses)
		if err := f.scoreEach(ctx, m, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// scoreEach halves a batch that fails: the model refuses one before it computes.
func (f pmScoreFlags) scoreEach(ctx context.Context, m preferenceModel, rs []*response) error {
	ts := make([]rlhf.Transcript, len(rs))
	for i, r := range rs {
		ts[i] = r.Transcript
	}
	scores, err := m.Score(ts)
	switch {
	case err == nil && len(scores) != len(rs):
		return fmt.Errorf("%d scores of %d responses", len(scores), len(rs))
	case err == nil:
		for i, r := range rs {
			if math.IsNaN(scores[i]) || math.IsInf(scores[i], 0) {
				return fmt.Errorf("%s: field %q: the score is %v; the model is broken, evaluate it with rlhf pm eval -pm %s", r.where, r.field, scores[i], f.pm)
			}
			r.score, r.done = scores[i], true
		}
		return nil
	case ctx.Err() != nil:
		return err
	case len(rs) == 1 && f.skip:
		rs[0].why = err
		return nil
	case len(rs) == 1:
		return fmt.Errorf("%s: field %q: %w (-skip goes on with null)", rs[0].where, rs[0].field, err)
	}
	half := len(rs) / 2
	if err := f.scoreEach(ctx, m, rs[:half]); err != nil {
		return err
	}
	return f.scoreEach(ctx, m, rs[half:])
}

// A rowOrEnd is a row, or what ended the input: io.EOF, or an error.
type rowOrEnd struct {
	row *scoreRow
	end error
}

// nextBatch collects rows until there are enough or the input pauses. end is not
// nil behind the last one.
func nextBatch(ctx context.Context, rows <-chan rowOrEnd) (batch []*scoreRow, end error) {
	var pause <-chan time.Time
	for responses, bytes := 0, 0; responses < batchResponses && bytes < batchBytes; {
		select {
		case r := <-rows:
			if r.end != nil {
				return batch, r.end
			}
			batch = append(batch, r.row)
			responses, bytes = responses+len(r.row.responses), bytes+len(r.row.line)
			if pause == nil {
				pause = time.After(batchLinger)
			}
		case <-pause:
			return batch, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return batch, nil
}

// maxRow bounds a row in bytes.
const maxRow = 4 << 20

// readRows parses the rows of in, one ahead of whoever receives them, until ctx ends.
func readRows(ctx context.Context, in io.Reader, name, field string) <-chan rowOrEnd {
	out := make(chan rowOrEnd)
	send := func(r rowOrEnd) bool {
		select {
		case out <- r:
			return r.end == nil
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxRow)
		at := 0
		for lines.Scan() {
			at++
			if strings.TrimSpace(lines.Text()) == "" {
				continue
			}
			row, err := parseScoreRow(lines.Bytes(), field)
			if err != nil {
				send(rowOrEnd{end: fmt.Errorf("%s:%d: %w", name, at, err)})
				return
			}
			row.name(fmt.Sprintf("%s:%d", name, at))
			if !send(rowOrEnd{row: row}) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			send(rowOrEnd{end: fmt.Errorf("%s:%d: %w (a line may have %d MiB)", name, at+1, err, maxRow>>20)})
			return
		}
		send(rowOrEnd{end: io.EOF})
	}()
	return out
}

// openLines opens a file of lines, unpacked.
func openLines(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return file, err
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{unpacked, file}, nil
}
