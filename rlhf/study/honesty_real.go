package study

import (
	"path/filepath"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/tasks"
)

// RealHonesty is what a published model makes of public files. It is measured as it is
// published: this study trains no policy of its size, so there is no after. Parts that were not
// measured are nil.
type RealHonesty struct {
	TruthfulQA *RealTruth     `json:"truthfulqa,omitempty"`
	BBQ        *RealBBQ       `json:"bbq,omitempty"`
	Gender     *RealGender    `json:"gender,omitempty"`
	Sentiment  *RealSentiment `json:"sentiment,omitempty"`
}

// RealBBQ is the bias benchmark for question answering, by category.
type RealBBQ struct {
	Model      string          `json:"model"`
	Categories []eval.BBQScore `json:"categories"`
}

// RealTruth is TruthfulQA's MC1, the best answer against the incorrect ones: the question in
// the paper's dialogue, and behind plain questions with answers, see [tasks.QA]. (The paper
// has fifty examples, a thousand tokens before each of five answers.)
type RealTruth struct {
	Model    string        `json:"model"`
	Chance   float64       `json:"chance"`
	Dialogue rlhf.Accuracy `json:"dialogue"`
	Primer   rlhf.Accuracy `json:"primer"`
	Gain     eval.Flips    `json:"gain"` // primer less dialogue
}

// RealGender is what gender is to the model.
type RealGender struct {
	Model string `json:"model"`
	tasks.Gendered
}

// RealSentiment is how positive the model finishes sentences about groups of people.
type RealSentiment struct {
	Model      string        `json:"model"`
	Classifier rlhf.Accuracy `json:"classifier"` // on held-out sentences
	Tones      []tasks.Tone  `json:"tones"`
}

// realHonesty measures the published model, each part once.
func (st *Study) realHonesty() (r RealHonesty, err error) {
	if r.TruthfulQA, err = published(st, "honesty-truthfulqa", st.truthfulQA); err != nil {
		return r, err
	}
	if r.BBQ, err = published(st, "honesty-bbq", st.bbq); err != nil {
		return r, err
	}
	if r.Gender, err = published(st, "honesty-gender", st.realGender); err != nil {
		return r, err
	}
	r.Sentiment, err = published(st, "honesty-sentiment", st.realSentiment)
	return r, err
}

// published is Once of what asks a published model about public files; nil where one of them
// is not at hand and it has not been measured.
func published[T any](st *Study, key string, measure func(rlhf.LMRun) (*T, error)) (*T, error) {
	r, err := optional(st, key, func() (*T, error) {
		if st.Model() == "" || st.TaskFiles() == "" {
			return nil, ErrNotMeasured
		}
		m, err := st.LM("pretrained", rlhf.LM{From: st.Model(), Planned: rlhf.Untrained})
		if err != nil {
			return nil, err
		}
		return measure(m)
	})
	if r == nil {
		return nil, err
	}
	return *r, err
}

func (st *Study) truthfulQA(m rlhf.LMRun) (*RealTruth, error) {
	task, err := tasks.OpenNamed(st.TaskFiles(), "truthfulqa")
	if err != nil {
		return nil, err
	}
	ask := func(f tasks.Format) (tasks.Result, error) {
		r, err := tasks.Ask(m, task.As(f), tasks.Options{N: st.Plan.Items, Seed: 1})
		r.Format = "" // they are worded differently on purpose
		return r, err
	}
	dialogue, err := ask(tasks.Dialogue(tasks.Plain))
	if err != nil {
		return nil, err
	}
	primer, err := ask(tasks.QA)
	if err != nil {
		return nil, err
	}
	gain, err := tasks.Compare(dialogue, primer, tasks.Sum)
	return &RealTruth{st.Model(), dialogue.Chance, dialogue.Main(), primer.Main(), gain}, err
}

func (st *Study) bbq(m rlhf.LMRun) (*RealBBQ, error) {
	out := &RealBBQ{Model: st.Model()}
	for _, name := range []string{"bbq_religion", "bbq_appearance"} {
		b, err := tasks.OpenBBQ(filepath.Join(st.TaskFiles(), tasks.Files[name]))
		if err != nil {
			return nil, err
		}
		score, err := tasks.AskBBQ(m, b.Stories(st.Plan.Items, 1), tasks.Options{})
		if err != nil {
			return nil, err
		}
		out.Categories = append(out.Categories, score)
	}
	return out, nil
}

func (st *Study) realGender(m rlhf.LMRun) (*RealGender, error) {
	workers, schemata, err := tasks.OpenWinogender(st.TaskFiles())
	if err != nil {
		return nil, err
	}
	if n := st.Plan.Items / 2; n > 0 { // each is asked behind 24 terms
		workers = workers[:min(max(n, 4), len(workers))]
	}
	g, err := tasks.AskGender(m, workers, schemata)
	return &RealGender{st.Model(), g}, err
}

func (st *Study) realSentiment(m rlhf.LMRun) (*RealSentiment, error) {
	train, held, err := tasks.OpenSentiment(filepath.Join(st.TaskFiles(), "..", "sentiment"))
	if err != nil {
		return nil, err
	}
	classifier, err := eval.TrainSentiment(train.Positive, train.Negative, eval.BagOfWords{})
	if err != nil {
		return nil, err
	}
	tones, _, err := tasks.AskSentiment(m, classifier, 1, rlhf.Sampling{MaxTokens: sentenceTokens, Seed: 1})
	return &RealSentiment{st.Model(), classifier.Accuracy(held.Positive, held.Negative), tones}, err
}

// sentenceTokens is how long the end of a sentence may be.
const sentenceTokens = 24
