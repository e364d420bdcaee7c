package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/distill"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

// A reading is what a language model learns from: the corpora of Data and Mix.
type reading struct {
	parts []*part
	info  []run.DataHash
	notes []string

	train, held []string // Data's, in memory; of a stream, some to learn a vocabulary from and all that is held out
	judge       func(prompt, response string) *rlhf.Gold
}

// A part is one corpus: texts in memory, or a stream from disk.
type part struct {
	name        string
	weight      float64
	train, held []string
	stream      *data.Text
	pages       bool // texts of several dialogues
}

// vocabularyBytes is how much of a stream a vocabulary is learnt from, heldOutBytes
// how much of what is held out is evaluated.
const (
	vocabularyBytes = 8 << 20
	heldOutBytes    = 1 << 20
)

// openReading resolves the corpora that a configuration names.
func (l *Lab) openReading(cfg rlhf.LM) (*reading, error) {
	rd := &reading{}
	shares := append([]rlhf.Share{{Data: cfg.Data, Weight: 1}}, cfg.Mix...)
	for i, s := range shares {
		if i > 0 {
			shares[0].Weight -= s.Weight
		}
	}
	for i, s := range shares {
		one := cfg
		if i > 0 { // a synthetic world has the size's number of rows beside a file, which has its own
			one = rlhf.LM{Size: cfg.Size, Data: s.Data, Rows: cfg.Rows, HeldOut: cfg.HeldOut, Seed: cfg.Seed}.Filled()
		}
		p, info, notes, c, err := l.openPart(one)
		if err != nil {
			rd.close()
			return nil, err
		}
		p.weight = s.Weight
		rd.parts, rd.info, rd.notes = append(rd.parts, p), append(rd.info, info), append(rd.notes, notes...)
		if i == 0 {
			rd.train, rd.held, rd.judge = p.train, p.held, c.judge
		}
	}
	return rd, nil
}

// openPart resolves one corpus. What is no synthetic world and holds no
// comparisons is streamed as text.
func (l *Lab) openPart(cfg rlhf.LM) (*part, run.DataHash, []string, *corpus, error) {
	p := &part{name: cfg.Data, pages: rlhf.Pages(cfg.Data)}
	if !rlhf.Synthetic(cfg.Data) {
		if path, err := l.locate(cfg.Data); err == nil && data.IsText(path) {
			info, notes, err := p.openStream(path, cfg)
			return p, info, notes, &corpus{name: cfg.Data}, err
		}
	}
	c, err := l.open(cfg.Data, cfg.Rows)
	if err != nil {
		return nil, run.DataHash{}, nil, nil, err
	}
	if p.pages {
		info := c.pages(p, cfg)
		return p, info, c.notes, c, nil
	}
	train, held, info, err := c.transcripts(cfg)
	for _, t := range train {
		p.train = append(p.train, t.String())
	}
	for _, t := range held {
		p.held = append(p.held, t.String())
	}
	return p, info, c.notes, c, err
}

func (p *part) openStream(path string, cfg rlhf.LM) (run.DataHash, []string, error) {
	t, err := data.OpenText(path, data.TextOptions{HeldOut: min(cfg.HeldOut, 0.5), Seed: splitSeed})
	if err != nil {
		return run.DataHash{}, nil, err
	}
	p.stream = t
	sum, err := t.Sum()
	if err != nil {
		return run.DataHash{}, nil, err
	}
	size := 0
	for i := 0; i < t.Windows() && size < vocabularyBytes; i++ {
		docs, err := t.Window(data.Permute(i, t.Windows(), splitSeed))
		if err != nil {
			return run.DataHash{}, nil, err
		}
		for _, d := range docs {
			p.train, size = append(p.train, d.String()), size+len(d.String())
		}
	}
	held, err := t.HeldOut(heldOutBytes)
	for _, d := range held {
		p.held = append(p.held, d.String())
	}
	note := fmt.Sprintf("%s: %d bytes of text, streamed; %d documents held out for evaluation", filepath.Base(path), t.Bytes(), len(held))
	return run.DataHash{Name: p.name, Rows: t.Windows(), SHA256: sum}, []string{note}, err
}

// pageDialogues is how many dialogues a page holds at most; a page that is longer
// than a row is cut.
const pageDialogues = 5

// pages draws the pages of a synthetic world: cfg.Rows dialogues.
func (c *corpus) pages(p *part, cfg rlhf.LM) run.DataHash {
	seed := run.Seed(cfg.Seed)
	n := max(1, cfg.Rows/pageDialogues)
	p.train = c.world.Pages(n, pageDialogues, seed.Stream("synth/pages", 0))
	p.held = c.world.Pages(max(32, int(cfg.HeldOut*float64(n))), pageDialogues, seed.Stream("synth/pages", 1))
	h := sha256.New()
	for _, text := range p.train {
		fmt.Fprintf(h, "%q\n", text)
	}
	return run.DataHash{Name: c.name, Rows: n, SHA256: hex.EncodeToString(h.Sum(nil))}
}

// encode returns the ids of texts as training and evaluation see them.
func (rd *reading) encode(tok tokenizer.Tokenizer, texts []string) [][]int32 {
	out := make([][]int32, len(texts))
	for i, s := range texts {
		out[i] = rd.parts[0].encode(tok, s)
	}
	return out
}

// encode returns the ids of a text with the end tokens that belong to it.
func (p *part) encode(tok tokenizer.Tokenizer, text string) []int32 {
	if p.pages {
		return distill.Encode(tok, text, true)
	}
	return append(tokenizer.EncodePrompt(tok, text), tok.EOS())
}

// sample yields the texts that a vocabulary is learnt from.
func (rd *reading) sample() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range rd.parts {
			for _, text := range p.train {
				if p.pages {
					text = strings.ReplaceAll(text, synth.PageMark, "")
				}
				if !yield(text) {
					return
				}
			}
		}
	}
}

// rows returns the training rows of at most context tokens.
func (rd *reading) rows(tok tokenizer.Tokenizer, context, batch int, seed run.Seed) (lm.Source, error) {
	if p := rd.parts[0]; len(rd.parts) == 1 && p.stream == nil {
		packed := lm.Pack(rd.encode(tok, p.train), context, tok.Pad())
		return lm.Shuffled(packed, func(round int) *rand.Rand { return seed.Stream("lm/order", round) }), nil
	}
	var mixed []data.Part
	for i, p := range rd.parts {
		key := seed.Uint64("lm/mix", i)
		var rows data.Rows
		var err error
		if p.stream != nil {
			rows, err = data.NewStream(p.stream, context, key, func(d data.Document) []int32 {
				ids := append(tokenizer.EncodePrompt(tok, d.Prompt), tok.Encode(d.Response)...)
				if !d.Cut {
					ids = append(ids, tok.EOS())
				}
				return ids
			})
		} else {
			seqs := make([][]int32, len(p.train))
			for j, text := range p.train {
				seqs[j] = p.encode(tok, text)
			}
			rows, err = data.NewShuffle(seqs, context, key)
		}
		if err != nil {
			return nil, err
		}
		mixed = append(mixed, data.Part{Name: p.name, Weight: p.weight, Rows: rows})
	}
	if len(mixed) == 1 {
		return lm.Sequences(context, tok.Pad(), mixed[0].Rows), nil
	}
	m, err := data.NewMix(seed.Uint64("lm/mix", len(mixed)), batch, mixed...)
	if err != nil {
		return nil, err
	}
	return lm.Sequences(context, tok.Pad(), m), nil
}

func (rd *reading) close() {
	for _, p := range rd.parts {
		if p != nil && p.stream != nil {
			p.stream.Close()
		}
	}
	rd.parts = slices.Clip(rd.parts[:0])
}
