// Package distill is context distillation: a language model learns to behave
// without a prompt as it, or a larger one, behaves with it.
//
//	L(θ) = D_KL( p₀(X | C) ‖ p_θ(X) )
//
// (Askell et al. 2021, eq. 2.1; Bai et al. 2022, appendix A.1, where the result is
// the initial policy.) C is a prompt of helpful, honest and harmless dialogues, X
// is text, the teacher p₀ reads C before X and the student p_θ does not. The
// divergence is taken token by token along X over K+1 categories: the teacher's K
// = 50 most probable tokens and everything else ([rl.CoarseKL]). Elsewhere this is
// called prompt distillation or context compression.
//
//	c := distill.Encode(tok, world.HHHPrompt(2, rng), true) // or distill.Prompt, for pretrained models
//	teacher, err := distill.NewTeacher(be, model, distill.Options{Prompt: c})
//	targets, err := teacher.Ask(ctx, texts, nil) // texts: ids from Dialogue and Plain, drawn by Mix
//	train, held, err := targets.Split(100)
//	t, err := distill.NewTrainer(be, student, train, distill.Settings{LearningRate: distill.RateShare * pretraining}, stream)
//	for range t.Planned() {
//		metrics, err := t.Step() // distill/kl
//	}
//	after, err := t.Evaluate(held)
//
// A prompt has an effect only on a model that has learnt, from documents in which
// one part tells about the next, to heed what stands before: pretrained models
// have; of models trained here, those that were trained on pages of dialogues
// (synth.World.Pages).
//
// # Shapes
//
// A batch is B texts of at most W tokens, one a row. The teacher reads start, C
// and X, and of its predictions those of X are kept; the student reads start and
// X, at positions that begin at 0. The teacher's context must hold all three. Where
// the model's sequences begin with a token of their own (Options.Start), all N = W
// tokens of a text count; where they begin with the text's first token, as those
// of models trained here do, the student cannot predict that token, and N = W−1
// count. It is the same in every text, a marker, so that nothing is lost.
//
// The teacher's words take 404 bytes a token at K = 50 and are held in memory; a
// million tokens are 0.4 GB.
//
// # Errors
//
// A text that does not fit behind the prompt, a student with another tokenizer and
// a damaged file are errors that say what to do. Nothing is cut silently.
//
// # Differences from the paper
//
// Stated and kept: the forward divergence, 51 categories, half plain text after a
// new "\n\nHuman:" and half question and answer, batches of 32 texts, 0.05 times
// the learning rate of pretraining with linear decay to zero, one teacher for
// students of all sizes, the student's texts without the prompt.
//
// The paper's prompt has about 4,600 words and its texts about 1,500 tokens, 350
// million in all; here both are what the context holds. Its question and answer
// pairs are from StackExchange; here they are the dialogues that the caller gives.
// The 51st category is stored as the teacher's own sum over the rest of the
// vocabulary, not as one less the sum of the top, which float32 loses where the
// top has nearly all. The optimiser and its clip are not stated; they are those of
// the other stages: AdamW without decay, global norm 1. There is no warm-up.
package distill
