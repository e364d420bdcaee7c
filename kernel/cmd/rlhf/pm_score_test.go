package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

// jsonLine is v on a line.
func jsonLine(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// The forms of a row, and the scores they get.
func TestScoreRows(t *testing.T) {
	prompt := rlhf.Human + " a" + rlhf.Assistant // 22 bytes: 2.2 off every score
	quoted := strings.ReplaceAll(prompt, "\n", `\n`)
	for _, c := range []struct{ row, want string }{
		{`{"prompt":"a","response":"bcd"}`, `"score":1.8}`},
		{`{"prompt":"` + quoted + `","response":" bcd"}`, `"score":1.8}`},
		{`{"prompt":" a ","responses":["b"," bcd",""]}`, `"scores":[-0.2,1.8,-2.2]}`},
		{`{"text":"` + quoted + ` bcd"}`, `"score":1.8}`},
		{`{"prompt":"a","text":" bcd","tokens":3,"ended":true}`, `"score":1.8}`},
		{`{"chosen":"` + quoted + ` bcd","rejected":"` + quoted + ` b","note":[1,2]}`, `"score_chosen":1.8,"score_rejected":-0.2}`},
		{`{"prompt":"a","rejected":"b","chosen":"bcd"}`, `"score_chosen":1.8,"score_rejected":-0.2}`},
		{`  {"n": 1.50, "id": 12345678901234567890, "prompt": "a", "n": 2, "response": "bcd" }  `, `"score":1.8}`},
	} {
		d := newJudgeDesk(strings.NewReader(c.row))
		if err := d.run(t, "score -pm judge"); err != nil {
			t.Errorf("%s: %v", c.row, err)
			continue
		}
		// Byte for byte what came in, and the scores.
		row := strings.TrimSpace(c.row)
		if want := strings.TrimSpace(strings.TrimSuffix(row, "}")) + "," + c.want + "\n"; d.out.String() != want {
			t.Errorf("printed %s want %s", d.out.String(), want)
		}
	}
	d := newJudgeDesk(strings.NewReader(`{"prompt":"a","responses":["bcd"],"score":3}`))
	if err := d.run(t, "score -pm judge -field mine"); err != nil || !strings.Contains(d.out.String(), `"score":3,"mines":[1.8]}`) {
		t.Errorf("%v, printed %s", err, d.out.String())
	}
}

// What is wrong with a row is said with line and field, after the rows before it.
func TestScoreRefuses(t *testing.T) {
	good := `{"prompt":"a","response":"b"}` + "\n\n"
	for bad, want := range map[string]string{
		`{"prompt":"a"`:                  "standard input:3: want a JSON object a line: ",
		`["a"]`:                          "standard input:3: want a JSON object a line: ",
		`null`:                           "standard input:3: want a JSON object a line, not null",
		"{\"text\":\"\xff\"}":            "standard input:3: is not UTF-8",
		`{"prompt":"a"}`:                 `want "response", "responses" or "text" with a "prompt"`,
		`{"prompt":"a","response":1}`:    `field "response": want a string, not 1`,
		`{"prompt":null,"response":"b"}`: `field "prompt": want a string, not null`,
		`{"prompt":" ","response":"b"}`:  `field "prompt": is empty`,
		`{"prompt":"x\n\nHuman: a","response":"b"}`:  `field "prompt": has turns and does not start with`,
		`{"response":"b"}`:                           `field "response": does not start with "\n\nHuman:"`,
		`{"text":"\n\nHuman: a"}`:                    `field "text": has no "\n\nAssistant:" turn`,
		`{"prompt":"a","responses":[]}`:              `field "responses": want a list of one string or more`,
		`{"prompt":"a","responses":["b",2]}`:         `field "responses": want a list`,
		`{"prompt":"a","chosen":"b"}`:                `field "rejected" is missing`,
		`{"prompt":"a","response":"b","text":"c"}`:   `has "response" and "text"`,
		`{"prompt":"a","response":"b","score":1}`:    `has a field "score" already; name the one to write with -field`,
		`{"prompt":"a","response":"endless"}`:        `standard input:3: field "response": transcript 0 is too long (-skip goes on with null)`,
		`{"prompt":"a","responses":["b","endless"]}`: `standard input:3: field "responses[1]": transcript 0 is too long`,
		`{"prompt":"a","response":"broken"}`:         `standard input:3: field "response": the score is NaN`,
	} {
		d := newJudgeDesk(strings.NewReader(good + bad + "\n" + good))
		err := d.run(t, "score -pm judge")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "pm score: ") {
			t.Errorf("%s: error %v, want %q in it", bad, err, want)
		}
		if got := d.out.String(); strings.Count(got, "\n") != 1 {
			t.Errorf("%s: printed %q, want the row before it", bad, got)
		}
	}
}

func TestScoreSkips(t *testing.T) {
	var in strings.Builder
	for i := range 300 {
		text := "b"
		if i%100 == 41 {
			text = "endless"
		}
		fmt.Fprintf(&in, `{"id":%d,"prompt":"a","responses":[%q,"c"]}`+"\n", i, text)
	}
	d := newJudgeDesk(strings.NewReader(in.String()))
	if err := d.run(t, "score -pm judge -skip"); err != nil {
		t.Fatal(err)
	}
	at := 0
	for line := range strings.Lines(d.out.String()) {
		var row struct {
			ID     int
			Scores []*float64
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row.ID != at || (row.Scores[0] == nil) != (at%100 == 41) || row.Scores[1] == nil {
			t.Fatalf("line %d: %s", at+1, line)
		}
		at++
	}
	if want := `3 of 300 rows have null; the first is standard input:42: field "responses[0]": transcript 0 is too long`; at != 300 || !strings.Contains(d.err.String(), want) {
		t.Errorf("%d rows, said %q, want %q", at, d.err.String(), want)
	}
}

// Order is kept, every response is scored once, and no call has more than a batch.
func TestScoreBatches(t *testing.T) {
	const rows = 1000
	path := filepath.Join(t.TempDir(), "rows.jsonl.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	total := 0
	for i := range rows {
		n := 1 + i%7
		if i == 500 {
			n = 1000 // one row that is more than a batch
		}
		total += n
		fmt.Fprint(packed, jsonLine(t, map[string]any{"id": i, "prompt": "a", "responses": strings.Split(strings.Repeat("b ", n-1)+"b", " ")}))
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	d := newJudgeDesk(nil)
	if err := d.run(t, "score -pm judge "+path); err != nil {
		t.Fatal(err)
	}
	at := 0
	for line := range strings.Lines(d.out.String()) {
		var row struct {
			ID                int
			Responses, Scores []any
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.ID != at || len(row.Scores) != len(row.Responses) {
			t.Fatalf("line %d: %.100s, %v", at+1, line, err)
		}
		at++
	}
	sum := 0
	for _, n := range d.judge.batches {
		if sum += n; n > batchResponses {
			t.Errorf("a call with %d responses", n)
		}
	}
	if at != rows || sum != total {
		t.Errorf("%d rows, %d responses scored, want %d and %d", at, sum, rows, total)
	}
}

// In a pipe, a row is answered before the next one is written.
func TestScoreAnswersAtOnce(t *testing.T) {
	in, ask := io.Pipe()
	answers, out := io.Pipe()
	d := newJudgeDesk(in)
	d.shell.out = out
	ended := make(chan error, 1)
	go func() {
		var usage strings.Builder
		ended <- pmCommands(d.shell).run(t.Context(), []string{"score", "-pm", "judge"}, &usage)
		out.Close()
	}()
	lines := bufio.NewScanner(answers)
	for i := range 3 {
		fmt.Fprintf(ask, `{"id":%d,"prompt":"a","response":"b"}`+"\n", i)
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), fmt.Sprintf(`{"id":%d,`, i)) {
			t.Fatalf("row %d: %q", i, lines.Text())
		}
	}
	ask.Close()
	if err := <-ended; err != nil || lines.Scan() {
		t.Errorf("at the end: %v, %q", err, lines.Text())
	}
}

// An interrupt ends it while it waits for input.
func TestScoreInterrupted(t *testing.T) {
	in, ask := io.Pipe()
	defer ask.Close()
	d := newJudgeDesk(in)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.WriteString(ask, `{"prompt":"a","response":"b"}`+"\n")
		cancel()
	}()
	err := pmCommands(d.shell).run(ctx, []string{"score", "-pm", "judge"}, &d.err)
	if err == nil || !strings.Contains(err.Error(), "pm score: stopped after ") {
		t.Errorf("error %v", err)
	}
}
