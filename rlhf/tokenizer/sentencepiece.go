package tokenizer

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

const sentencePieceFile = "tokenizer.model"

// spKind is the type of a piece; the numbers are those of
// sentencepiece_model.proto, which GGUF has taken over.
type spKind int

const (
	spNormal  spKind = 1
	spUnknown spKind = 2
	spControl spKind = 3
	spUser    spKind = 4
	spUnused  spKind = 5
	spByte    spKind = 6
)

// spModel is a vocabulary of SentencePiece's kind, from whichever file.
type spModel struct {
	pieces        []string // spaces spelled U+2581
	scores        []float32
	kinds         []spKind
	prefix        prefixRule
	bos, eos, unk int // ids; -1: none
	addBOS        bool
	unigram       bool
	byteFallback  bool
	normalizer    string
	charsmap      int // bytes of the precompiled normalisation rules
	trim          bool
	suffix        bool
}

// LoadSentencePiece reads a SentencePiece model (google/sentencepiece,
// src/sentencepiece_model.proto), usually called tokenizer.model: a *[BPE] or a
// *[Unigram]. Models that normalise the text, other than by spelling the space,
// are an error, for no text decodes to itself under them. The text starts with
// the model's <s>, which is how the Llama family uses them, unless
// tokenizer_config.json in the same folder says otherwise.
func LoadSentencePiece(path string) (Tokenizer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r, err := readRoles(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := noAddedFile(filepath.Dir(path)); err != nil {
		return nil, err
	}
	tk, err := parseSentencePiece(data, r)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return tk, nil
}

func parseSentencePiece(data []byte, r roles) (Tokenizer, error) {
	p, err := readSentencePiece(data)
	if err != nil {
		return nil, err
	}
	switch {
	case len(p.pieces) == 0:
		return nil, fmt.Errorf("no pieces: not a SentencePiece model")
	case p.charsmap > 0:
		return nil, fmt.Errorf("normalizer_spec.name = %q with %d bytes of rules, want identity", p.normalizer, p.charsmap)
	case p.trim:
		return nil, fmt.Errorf("normalizer_spec.remove_extra_whitespaces = true, want false: the text would not decode to itself")
	case p.suffix:
		return nil, fmt.Errorf("trainer_spec.treat_whitespace_as_suffix = true, want false")
	case slices.Contains(p.kinds, spUnused):
		return nil, fmt.Errorf("piece %d is UNUSED, which has no support here", slices.Index(p.kinds, spUnused))
	}
	if p.unigram {
		return p.newUnigram(r)
	}
	return p.bpe(r)
}

// readSentencePiece reads the fields of ModelProto that decide ids.
func readSentencePiece(data []byte) (*spModel, error) {
	p := &spModel{prefix: eachPart, bos: 1, eos: 2, unk: 0, addBOS: true, unigram: true, trim: true}
	err := protoFields(data, func(n protowire.Number, num uint64, msg []byte) error {
		switch n {
		case 1:
			return p.readPiece(msg)
		case 2:
			return protoFields(msg, func(n protowire.Number, num uint64, _ []byte) error {
				switch n { // TrainerSpec
				case 3:
					if num != 1 && num != 2 {
						return fmt.Errorf("trainer_spec.model_type = %d, want 1 (unigram) or 2 (BPE)", num)
					}
					p.unigram = num == 1
				case 24:
					p.suffix = num != 0
				case 35:
					p.byteFallback = num != 0
				case 40:
					p.unk = int(int32(num))
				case 41:
					p.bos = int(int32(num))
				case 42:
					p.eos = int(int32(num))
				}
				return nil
			})
		case 3:
			return protoFields(msg, func(n protowire.Number, num uint64, b []byte) error {
				switch n { // NormalizerSpec
				case 1:
					p.normalizer = string(b)
				case 2:
					p.charsmap = len(b)
				case 3:
					if num == 0 {
						p.prefix = noPrefix
					}
				case 4:
					p.trim = num != 0
				case 5:
					if num == 0 {
						return fmt.Errorf("normalizer_spec.escape_whitespaces = false, want true")
					}
				}
				return nil
			})
		}
		return nil
	})
	return p, err
}

func (p *spModel) readPiece(msg []byte) error {
	piece, score, kind := "", float32(0), spNormal
	err := protoFields(msg, func(n protowire.Number, num uint64, b []byte) error {
		switch n {
		case 1:
			piece = string(b)
		case 2:
			score = math.Float32frombits(uint32(num))
		case 3:
			kind = spKind(num)
		}
		return nil
	})
	p.pieces, p.scores, p.kinds = append(p.pieces, piece), append(p.scores, score), append(p.kinds, kind)
	return err
}

// protoFields calls field for each field of a message: num is the value of a
// number, msg that of a string or message.
func protoFields(data []byte, field func(n protowire.Number, num uint64, msg []byte) error) error {
	for len(data) > 0 {
		n, kind, m := protowire.ConsumeTag(data)
		if m < 0 {
			return protowire.ParseError(m)
		}
		data = data[m:]
		var num uint64
		var msg []byte
		switch kind {
		case protowire.VarintType:
			num, m = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var f uint32
			f, m = protowire.ConsumeFixed32(data)
			num = uint64(f)
		case protowire.BytesType:
			msg, m = protowire.ConsumeBytes(data)
		default:
			m = protowire.ConsumeFieldValue(n, kind, data)
		}
		if m < 0 {
			return protowire.ParseError(m)
		}
		data = data[m:]
		if err := field(n, num, msg); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the vocabulary of the pieces and completes the roles.
func (p *spModel) fill(v *vocabulary, r *roles) error {
	v.spelling, v.byteToken = []string{}, []bool{}
	v.bos, v.unk = -1, -1
	v.cut, v.prefix = cutNot, p.prefix
	seen := make(map[string]int, len(p.pieces))
	for id, s := range p.pieces {
		kind := p.kinds[id]
		if other, ok := seen[s]; ok && kind != spUnused {
			return fmt.Errorf("pieces %d and %d are both %q", other, id, s)
		}
		seen[s] = id
		switch kind {
		case spNormal:
			if _, isByte := byteName(s); isByte {
				return fmt.Errorf("piece %d = %q is NORMAL, want BYTE", id, s)
			}
			if err := v.push(s); err != nil {
				return err
			}
		case spByte:
			if _, ok := byteName(s); !ok {
				return fmt.Errorf("piece %d = %q is BYTE, want a name such as <0x0A>", id, s)
			}
			if err := v.push(s); err != nil {
				return err
			}
		case spUser:
			if s == "" {
				return fmt.Errorf("piece %d is empty", id)
			}
			// Found in the text as it stands, or, where that can hold no dummy prefix, in its spelling.
			v.add(addedToken{content: s, normalized: p.prefix == noPrefix})
		case spUnknown, spControl, spUnused:
			v.add(addedToken{content: s, special: true})
		default:
			return fmt.Errorf("piece %d = %q has the type %d, want 1 to 6", id, s, kind)
		}
	}
	name := func(id int, to *string, part string) error {
		switch {
		case *to != "" || id < 0:
		case id >= len(p.pieces):
			return fmt.Errorf("%s = %d of %d pieces", part, id, len(p.pieces))
		default:
			*to = p.pieces[id]
		}
		return nil
	}
	for _, err := range []error{name(p.bos, &r.bos, "bos_id"), name(p.eos, &r.eos, "eos_id"), name(p.unk, &r.unk, "unk_id")} {
		if err != nil {
			return err
		}
	}
	if p.addBOS && r.bos != "" && r.starts == nil {
		r.starts = []string{r.bos}
	}
	return nil
}

func (p *spModel) bpe(r roles) (*BPE, error) {
	b := new(BPE)
	if err := p.fill(&b.vocabulary, &r); err != nil {
		return nil, err
	}
	if err := b.assign(r); err != nil {
		return nil, err
	}
	if err := b.initials("the pieces"); err != nil {
		return nil, err
	}
	usable := func(id int32) bool { return int(id) < len(p.kinds) && p.kinds[id] == spNormal && !b.special[id] }
	return b.sealScores(p.scores, usable), nil
}

func (p *spModel) newUnigram(r roles) (*Unigram, error) {
	u := new(Unigram)
	if err := p.fill(&u.vocabulary, &r); err != nil {
		return nil, err
	}
	if err := u.assign(r); err != nil {
		return nil, err
	}
	for _, s := range p.scores {
		u.scores = append(u.scores, float64(s))
	}
	u.scores = append(u.scores, make([]float64, len(u.pieces)-len(u.scores))...)
	return u.seal()
}
