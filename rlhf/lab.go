package rlhf

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"hhrlhf/rlhf/memory"
)

// A Lab makes runs, drives them and answers questions about them. There are two
// of them with this one interface: package local holds the models in this
// process, and kernel/lab speaks to a resident engine that does. What a run
// has done is on disk, so a run outlives both.
//
// Naming a run that exists opens it: its configuration must be equal to the
// one given (an error names the fields that differ), and training continues
// where it stopped.
type Lab interface {
	// With returns the same lab whose calls end when ctx does: training stops at
	// the next step boundary, and the run is consistent.
	With(ctx context.Context) Lab

	LM(name string, c LM) (LMRun, error)
	// Distill makes a language model of another: see [Distill]. PM and PPO take
	// its name wherever they take a language model's.
	Distill(name string, c Distill) (LMRun, error)
	PM(name string, c PM) (PMRun, error)
	// Direct makes a language model of another and of comparisons, by a loss of the
	// engine's own: see [Direct].
	Direct(name string, c Direct) (LMRun, error)
	PPO(name string, c PPO) (PPORun, error)

	// OpenLM, OpenPM and OpenPPO reopen a run by its name alone.
	OpenLM(name string) (LMRun, error)
	OpenPM(name string) (PMRun, error)
	OpenPPO(name string) (PPORun, error)

	// Runs lists the runs on disk, oldest first. Remove deletes one for good.
	Runs() ([]RunInfo, error)
	Remove(name string) error
	// History returns what a run has recorded, read from disk.
	History(name string) ([]Point, error)
	// Watch looks on while somebody else drives a run, a cell of another notebook for one.
	// It yields what the run has recorded, one event a step, and goes on with what
	// happens, samples, messages and the time left included, as Steps would where the
	// run is driven. It ends when the run is done, or has stood still for ten seconds; a
	// Message says so before. Watching takes no device, and neither a slow watcher nor the end
	// of one is noticed by the training.
	Watch(name string) iter.Seq2[Event, error]
	// Written returns the responses that a run's steps have left on disk, oldest first:
	// of PPO ShownSamples a step, of other runs none. The newest last of them; 0: all.
	Written(name string, last int) ([]Sample, error)
	// Status says what the lab is doing; it never waits for training.
	Status() (Status, error)
}

// A Run is one training run on disk.
type Run interface {
	Info() (RunInfo, error)
	// History returns the metrics of every step so far.
	History() ([]Point, error)
	// Steps trains n more steps while the sequence is ranged over, one event a
	// step. Breaking off the loop stops after the step in progress.
	Steps(n int) iter.Seq2[Event, error]
	// Train trains to the planned number of steps; there, it does nothing.
	Train() iter.Seq2[Event, error]
}

// An LMRun is a language model: trained here, distilled, or read from a file.
type LMRun interface {
	Run
	// Sample continues each prompt. A prompt in the paper's format ends in
	// "\n\nAssistant:"; any other text is continued as it stands.
	Sample(prompts []string, o Sampling) ([]Sample, error)
	// Stream continues one prompt and yields the text piece by piece, as it is
	// written. Breaking off the loop ends the sampling.
	Stream(prompt string, o Sampling) iter.Seq2[string, error]
	// Chat answers the last of the turns, laid out by the model's own chat template,
	// and yields the text piece by piece. A model without one gets the paper's format.
	Chat(turns []Turn, o Sampling) iter.Seq2[string, error]
	// Read returns what the model expected at every token of a text.
	Read(text string) ([]Token, error)
	// LogP returns log p(response | prompt) of each transcript, in nats, its end
	// token included. A Prompt that is Assistant alone asks no question.
	LogP(ts []Transcript) ([]float64, error)
	// Predict measures how the model would go on from each Prompt to its Response, as
	// multiple choice and cloze tests ask: Prompt is any text, Response the piece of text
	// behind it, without an end token. A prompt that is too long for the model, or longer
	// than [PieceTokens] with its response, loses its beginning.
	Predict(ts []Transcript) ([]Prediction, error)
	// Activations returns a vector of the residual stream for every text and layer: a
	// prompt in the paper's format, which loses its oldest turns where it is too long for
	// the context, or any other text, which may not be too long.
	Activations(texts []string, p Probe) (Activations, error)
	// Evaluate returns the loss on held-out transcripts of the run's own data,
	// EvaluateOn that on other data (at most rows of it, 0: all), named as in LM.Data.
	Evaluate() (LMEval, error)
	EvaluateOn(data string, rows int) (LMEval, error)
}

// A PMRun is a preference model in training or trained.
type PMRun interface {
	Run
	// Score returns the model's score of each transcript's response.
	Score(ts []Transcript) ([]float64, error)
	// Activations is LMRun.Activations of this model's trunk; every text that is too long
	// loses its oldest turns.
	Activations(texts []string, p Probe) (Activations, error)
	// Evaluate measures the model on the held-out comparisons of the run's own data,
	// EvaluateOn on other data (at most rows of it, 0: all), named as in PM.Data.
	// Comparisons of conversations that the model was trained on are left out, and
	// Notes says how many.
	Evaluate() (PMEval, error)
	EvaluateOn(data string, rows int) (PMEval, error)
	// Comparisons returns up to n held-out comparisons, for the eye.
	Comparisons(n int) ([]Comparison, error)
	// BestOf is rejection sampling (paper, section 2.3): the policy writes k responses to
	// each prompt, and this model scores them. The policy is a language-model run, a PPO
	// run as it is now, or a checkpoint named as in PM.LM, and must have this model's
	// tokenizer. As in reinforcement learning what is scored are the tokens that were written;
	// Score, which has the text only, cuts it into tokens itself and takes every response for ended.
	//
	// Sample j of prompt i has a seed that o.Seed, i and j alone decide: the first k of a
	// call with more are those of a call with k, and so are the first prompts of a longer
	// list of them (a response could differ where two numbers of the sampler lie within
	// 1e-6, see package sample). One call with k = 64 therefore serves every smaller k.
	// A call draws at most 2¹⁸ responses.
	BestOf(policy string, prompts []string, k int, o Sampling) ([]Choice, error)
}

// A PPORun is a policy under reinforcement learning. Rollout, Score, Shape,
// Advantages and Update are one step taken apart: Steps(1) is exactly their
// composition. Only Update changes the run.
type PPORun interface {
	Run
	Rollout() (*Batch, error)
	Score(b *Batch) error
	Shape(b *Batch) error
	Advantages(b *Batch) error
	Update(b *Batch) (Point, error)
	// Written is Lab.Written of this run.
	Written(last int) ([]Sample, error)
	// Sample lets the current policy answer.
	Sample(prompts []string, o Sampling) ([]Sample, error)
	// Compare lets the initial and the current policy answer the same n held-out
	// prompts and measures both.
	Compare(n int) (BeforeAfter, error)
	// Snapshot copies the current policy into a language-model run of that name, for good:
	// training on, or removing this run, does not change it. Its Info says from which run
	// and step it is. Naming a snapshot of this run and step opens it; a name that is
	// taken by anything else is an error that says by what.
	Snapshot(name string) (LMRun, error)
}

// RunInfo describes a run on disk.
type RunInfo struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"` // "lm", "distill", "direct", "pm" or "ppo"
	Dir     string    `json:"dir"`
	Created time.Time `json:"created"`
	Step    int       `json:"step"`
	Planned int       `json:"planned"`
	Params  int64     `json:"params"` // trained parameters, embeddings included
	// NonEmbedding counts a language model's parameters as the paper does,
	// 12·layers·width²: without embeddings, biases and norms.
	NonEmbedding int64           `json:"non_embedding,omitempty"`
	Backend      string          `json:"backend"`
	Config       json.RawMessage `json:"config"` // filled
	Data         []DataInfo      `json:"data"`
	Notes        []string        `json:"notes,omitempty"` // e.g. rows skipped while loading, and why
	// Memory is what a PPO run will hold, estimated; it prints as a table.
	Memory memory.Plan `json:"memory,omitempty"`
}

// DataInfo says which data a run was made from.
type DataInfo struct {
	Name   string `json:"name"`   // "synth", or the path or tranche
	Rows   int    `json:"rows"`   // rows used
	SHA256 string `json:"sha256"` // of the rows used, in order
	// Read counts the rows that were read, Odd those that were left out, by reason;
	// Where names the first few of them as file:line.
	Read int   `json:"read,omitempty"`
	Odd  []Odd `json:"odd,omitempty"`
}

// Odd counts the rows that were left out for one reason; Where names the first
// OddShown of them.
type Odd struct {
	Reason string   `json:"reason"`
	Rows   int      `json:"rows"`
	Where  []string `json:"where,omitempty"`
}

// OddShown is how many rows an Odd names.
const OddShown = 5

// A Point is what one step measured, by standard name (see Glossary).
type Point struct {
	Step   int                `json:"step"`
	Values map[string]float64 `json:"values"`
}

// An Event is one piece of news from a training run or a streamed response.
// Exactly one of Point, Message and Text is set.
type Event struct {
	Run     string        `json:"run"`
	Kind    string        `json:"kind"`
	Step    int           `json:"step"` // steps done
	Of      int           `json:"of"`   // where this stretch ends
	Left    time.Duration `json:"left"` // estimate of the time to Of
	Point   *Point        `json:"point,omitempty"`
	Samples []Sample      `json:"samples,omitempty"` // of PPO, ShownSamples of the step's responses
	Message string        `json:"message,omitempty"` // e.g. "compiling the update program", "waiting for tour-lm"
	Text    string        `json:"text,omitempty"`    // a piece of a response, while one is streamed
}

// Sampling says how to sample outside RL.
type Sampling struct {
	Temperature float64 `json:"temperature"`     // 0: 1. Negative: greedy
	TopK        int     `json:"top_k,omitempty"` // only the k likeliest tokens. 0: all
	TopP        float64 `json:"top_p,omitempty"` // only the likeliest tokens of this mass. 0: all
	MaxTokens   int     `json:"max_tokens"`      // 0: what the context leaves, at most 64
	Seed        uint64  `json:"seed"`
}

// A Token is one token of a text as a language model read it.
type Token struct {
	ID    int32   `json:"id"`
	Piece string  `json:"piece"` // its text, visible (see tokenizer.Tokenizer)
	LogP  float64 `json:"logp"`  // log-probability given what stands before it, nats; 0 for the first
	Rank  int     `json:"rank"`  // 1: the likeliest; 0 for the first
	// Next are the tokens that the model expects after this one, likeliest first.
	Next []Guess `json:"next"`
}

// A Guess is a token that may come next.
type Guess struct {
	ID    int32   `json:"id"`
	Piece string  `json:"piece"`
	LogP  float64 `json:"logp"`  // nats
	Logit float64 `json:"logit"` // before the softmax
}

// PieceTokens is how many tokens a prompt and the piece of text behind it may have where a
// model predicts it: with examples before a question the prompt is long.
const PieceTokens = 2048

// A Prediction is how a model takes a piece of text behind a prompt. Where a token
// straddles the border of the two, it is counted to the piece.
type Prediction struct {
	LogP   float64 `json:"logp"`   // Σ log p(token | all before it), nats
	Tokens int     `json:"tokens"` // of the piece
	First  int     `json:"first"`  // of them, those that are the model's first choice
}

// Greedy says whether a model that always takes its first choice writes the piece.
func (p Prediction) Greedy() bool { return p.Tokens > 0 && p.First == p.Tokens }

// A Sample is one response with what is known of it.
type Sample struct {
	Prompt   string  `json:"prompt"`
	Response string  `json:"response"`
	Tokens   int     `json:"tokens"` // valid tokens, the end token included
	EOS      bool    `json:"eos"`
	Score    float64 `json:"score"` // of the preference model, 0 if there is none
	KL       float64 `json:"kl"`    // Σ_t log π − log π₀, nats; 0 if there is no reference
	Gold     *Gold   `json:"gold,omitempty"`
	Step     int     `json:"step,omitempty"` // of reinforcement learning that it is from, 0 if of none
}

// LMEval is a language model's loss on transcripts or text that it was not trained on.
type LMEval struct {
	Tokens   int     `json:"tokens"`
	Loss     float64 `json:"loss"`     // nats per token
	SE       float64 `json:"se"`       // standard error over sequences
	PerByte  float64 `json:"per_byte"` // nats per byte of text
	Baseline float64 `json:"baseline"` // loss of the unigram model, for scale; 0 if there is none
	Step     int     `json:"step"`
	// KL and KLSE are, for a distilled model, D_KL(prompted teacher ‖ model) in
	// nats per token on held-out sequences, and its standard error.
	KL   float64 `json:"kl,omitempty"`
	KLSE float64 `json:"kl_se,omitempty"`
}

// PMEval measures a preference model on held-out comparisons. Δ is the score of the
// chosen response less that of the rejected one.
type PMEval struct {
	Step     int        `json:"step"`
	All      Accuracy   `json:"all"`
	Tranches []Accuracy `json:"tranches"` // by tranche, in order of name
	// Turns is by the number of the judged turn, "1" to "4" and "5+" (Bai et al.
	// 2022, figure 8).
	Turns []Accuracy `json:"turns,omitempty"`
	Loss  float64    `json:"loss"` // mean log(1 + e^−Δ), nats; ln 2 for a coin
	// Calibration over |Δ|: bins, expected calibration error, Brier score, and the
	// slope k of logit P(chosen) = k·Δ with its standard error: 1 is calibrated,
	// above 1 is under-confident.
	Bins    []Bin   `json:"bins"`
	ECE     float64 `json:"ece"`
	Brier   float64 `json:"brier"`
	Slope   float64 `json:"slope"`
	SlopeSE float64 `json:"slope_se"`
	// Thresholds is the accuracy among pairs whose two scores, the mean of all
	// taken off, are both above a threshold (figure 25).
	Thresholds []Threshold `json:"thresholds,omitempty"`
	// LengthCorr is the correlation of score and response length within pairs.
	LengthCorr float64 `json:"length_corr"`
	// ZeroGrad is the share of pairs whose gradient, σ(−Δ), is below 0.01: nothing
	// is learned from them any more.
	ZeroGrad float64 `json:"zero_grad"`
	// Mean and SD are of all scores; only differences mean anything.
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
	// Gold is the agreement with the true order and Bayes the accuracy that the
	// labellers' noise leaves attainable; only the synthetic world knows them.
	Gold  *Accuracy `json:"gold,omitempty"`
	Bayes float64   `json:"bayes,omitempty"`
	// Words is what bags of words have that were trained on the same comparisons, one
	// for each tranche; only files have it.
	Words *Rival `json:"words,omitempty"`
	// Notes says what was left out and why.
	Notes []string `json:"notes,omitempty"`
}

// A Rival is another scorer of the same comparisons. Difference is the model's
// accuracy less its own, SE that difference's standard error over conversations.
type Rival struct {
	Accuracy   Accuracy `json:"accuracy"`
	Difference float64  `json:"difference"`
	SE         float64  `json:"se"`
}

// A Threshold is the accuracy among the pairs whose scores are both above Above.
type Threshold struct {
	Above    float64  `json:"above"`
	Accuracy Accuracy `json:"accuracy"`
}

// Accuracy is a share of N pairs with its 95 % Wilson interval.
type Accuracy struct {
	Name  string  `json:"name"`
	N     int     `json:"n"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Bin is one bar of a calibration plot: pairs whose |score difference| lies in
// [Lo, Hi), how often the preferred one had the higher score, and how often
// 1/(1+e^−|Δ|) says it should have.
type Bin struct {
	Lo, Hi    float64
	N         int
	Accuracy  float64
	Predicted float64
}

// BeforeAfter sets the initial and the current policy side by side on the same prompts.
type BeforeAfter struct {
	Step          int      `json:"step"`
	Before, After []Sample // row i answers the same prompt
	// Summaries of the columns, by name: "score", "kl", "length", "eos", and
	// "helpful", "harmless" where gold labels exist.
	Rows []Change `json:"rows"`
}

// A Change is one quantity before and after, with standard deviations over
// samples and the standard error of the mean.
type Change struct {
	Name              string
	Before, BeforeSD  float64
	After, AfterSD    float64
	BeforeSE, AfterSE float64
}
