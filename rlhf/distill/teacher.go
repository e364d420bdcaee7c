package distill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
	"hhrlhf/rlhf/tokenizer"
)

// A Model is a language model: weights in the order of Shape.Weights.
type Model struct {
	Shape     lm.Shape
	Weights   []*tensors.Tensor
	Tokenizer tokenizer.Tokenizer
}

// K is how many of the teacher's most probable tokens are kept (Askell et al.
// 2021, B.5).
const K = 50

// Options says what a teacher is asked.
type Options struct {
	// Prompt is C, as [Encode] returns it. Empty: none, and a model is distilled
	// into itself as it is.
	Prompt []int32
	// Start is what every sequence of the model begins with, teacher's and
	// student's: the <|endoftext|> or <s> with which a pretrained model's documents
	// begin. Then the first token of a text counts. Models trained here have none:
	// the student has nothing to predict the first token from, and it does not count.
	Start []int32
	// K is the number of tokens with a category of their own. 0: K, or the whole
	// vocabulary but one where it is smaller.
	K int
	// Batch is the number of texts in a call of the program. 0: 32.
	Batch int
	// Name tells one teacher from another in [Teacher.Key]: a run's name, or a
	// hash of the weights. It may be empty.
	Name string
}

// A Teacher says, for each token of a text that follows its prompt, what it would
// have said: the K most probable tokens with their log-probabilities, and the
// probability of everything else. It does not own the model's weights.
type Teacher struct {
	be      compute.Backend
	model   Model
	opt     Options
	program *gx.Program
}

// NewTeacher prepares a teacher; nothing is compiled before the first Ask.
func NewTeacher(be compute.Backend, m Model, o Options) (*Teacher, error) {
	v := m.Shape.Vocab
	if o.K == 0 {
		o.K = min(K, v-1)
	}
	if o.Batch == 0 {
		o.Batch = 32
	}
	if o.K < 1 || o.K >= v {
		return nil, fmt.Errorf("distill: K = %d, want from 1 to %d: one category must be left for the rest of the vocabulary of %d", o.K, v-1, v)
	}
	if o.Batch < 1 {
		return nil, fmt.Errorf("distill: Batch = %d, want > 0", o.Batch)
	}
	for _, ids := range [][]int32{o.Prompt, o.Start} {
		if err := checkIDs(ids, v); err != nil {
			return nil, fmt.Errorf("distill: prompt: %w", err)
		}
	}
	t := &Teacher{be: be, model: m, opt: o}
	t.program = gx.NewProgram(be, "distill teacher", t.graph)
	return t, nil
}

// Room is how many tokens a text may have at most: what the prompt leaves of the
// teacher's context.
func (t *Teacher) Room() int { return t.model.Shape.Context - len(t.opt.Start) - len(t.opt.Prompt) }

// Key identifies the answer that Ask would give to texts: a hash of the
// teacher's Name, tokenizer, prompt, start and K, and of the texts.
func (t *Teacher) Key(texts [][]int32) string {
	h := sha256.New()
	fmt.Fprintln(h, "1", t.opt.Name, t.model.Tokenizer.Hash(), t.opt.K, t.opt.Start, t.opt.Prompt)
	for _, x := range texts {
		fmt.Fprintln(h, x)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Ask has the teacher read each text behind the prompt. progress, if not nil, is
// told after each batch how many texts are done. With the error of a cancelled
// ctx it returns nothing.
func (t *Teacher) Ask(ctx context.Context, texts [][]int32, progress func(done int)) (*Targets, error) {
	out := &Targets{Tokenizer: t.model.Tokenizer.Hash(), Key: t.Key(texts), K: t.opt.K, Start: t.opt.Start, Texts: texts}
	first, width := out.first(), 0
	for i, x := range texts {
		if len(x) <= first {
			return nil, fmt.Errorf("distill: text %d has %d tokens, want at least %d: none would count", i, len(x), first+1)
		}
		if room := t.Room(); len(x) > room {
			return nil, fmt.Errorf("distill: text %d has %d tokens; with the %d of the prompt and %d at the start that is %d, more than the teacher's context of %d; shorten the prompt (see Fit) or cut texts to %d tokens",
				i, len(x), len(t.opt.Prompt), len(t.opt.Start), len(x)+len(t.opt.Prompt)+len(t.opt.Start), t.model.Shape.Context, max(0, room))
		}
		if err := checkIDs(x, t.model.Shape.Vocab); err != nil {
			return nil, fmt.Errorf("distill: text %d: %w", i, err)
		}
		width = max(width, len(x))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("distill: no texts to ask the teacher about")
	}
	for at := 0; at < len(texts); at += t.opt.Batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.ask(out, texts[at:min(at+t.opt.Batch, len(texts))], roundUp(width)); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(min(at+t.opt.Batch, len(texts)))
		}
	}
	out.index()
	return out, nil
}

// ask appends what the teacher says about one batch; rows without a text repeat
// the last one, so that one compiled program serves all batches.
func (t *Teacher) ask(out *Targets, texts [][]int32, width int) error {
	rows := make([][]int32, t.opt.Batch)
	for i := range rows {
		x := texts[min(i, len(texts)-1)]
		rows[i] = append(append(append(rows[i], t.opt.Start...), t.opt.Prompt...), x...)
	}
	tokens, segments, err := lm.LayOut(t.be, rows, len(t.opt.Start)+len(t.opt.Prompt)+width, t.model.Tokenizer.Pad(), false)
	if err != nil {
		return err
	}
	defer gx.Free(tokens, segments)
	said, err := t.program.Call(append([]any{tokens, segments}, gx.Keep(t.model.Weights)...)...)
	if err != nil {
		return err
	}
	defer gx.Free(said...)
	ids, err := gx.Values[int32](said[0])
	if err != nil {
		return err
	}
	logp, err := gx.Values[float32](said[1])
	if err != nil {
		return err
	}
	k, slots := t.opt.K, width-out.first()
	for i, x := range texts {
		n := len(x) - out.first()
		out.ids = append(out.ids, ids[i*slots*k:][:n*k]...)
		out.logp = append(out.logp, logp[i*slots*(k+1):][:n*(k+1)]...)
	}
	return nil
}

// graph: tokens, segments [B, T], weights → ids [B, N, K], logp [B, N, K+1] for the
// last N of T slots, which the activations one slot earlier predict.
func (t *Teacher) graph(in []*Node) []*Node {
	net := lm.NewNet(t.model.Shape, in[2:])
	from := len(t.opt.Start) + len(t.opt.Prompt) + firstCounted(t.opt.Start)
	ids, logp := rl.TopLogProbs(predictions(net, in[0], in[1], from), t.opt.K)
	return []*Node{ids, logp}
}

// predictions returns the logits [B, T−from, V] that predict the tokens at slots
// from (at least 1) to T−1 of [B, T]. No other function of the package shifts by one.
func predictions(net *lm.Net, tokens, segments *Node, from int) *Node {
	t := tokens.Shape().Dimensions[1]
	h := net.Hidden(tokens, lm.Positions(segments), lm.CausalBias(segments))
	return net.Logits(Slice(h, AxisRange(), AxisRange(from-1, t-1)))
}

func checkIDs(ids []int32, vocab int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("token %d is id %d, outside the vocabulary of %d", i, id, vocab)
		}
	}
	return nil
}

// roundUp spares a program for every length.
func roundUp(n int) int { return (n + 7) / 8 * 8 }
