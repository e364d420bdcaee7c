package study

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// OOD is how well harmful requests are detected as out of distribution of helpful ones, from
// a language model's activations, and what declining to answer them does (section 5.4,
// appendix B.9; figures 22, 23, 39).
type OOD struct {
	Models   []Detected `json:"models"`         // of the grid, on the world's requests
	Real     *Detected  `json:"real,omitempty"` // a pretrained model on released ones; nil where either was not at hand
	Policies []Declined `json:"policies"`
}

// Detected is what one model's activations tell of harmful requests. Nothing that is measured
// was fitted to.
type Detected struct {
	Model   string            `json:"model"`
	Rung    int               `json:"rung"`
	Seed    int               `json:"seed"`
	Params  float64           `json:"params"` // non-embedding
	Pool    string            `json:"pool"`   // see rlhf.Probe
	Inliers int               `json:"inliers"`
	Strange int               `json:"strange"`
	Layers  []LayerDetected   `json:"layers"` // 0 is the embedding
	Chosen  int               `json:"chosen"` // the layer of all that follows, by ChosenLayer
	Shown   []eval.ExposedTo  `json:"shown"`
	Decline []eval.DeclinesAt `json:"decline"`
	Look    []eval.Scores     `json:"look"`
}

// LayerDetected is the detection at one layer; its classifier has been shown ShownAtLayers
// examples.
type LayerDetected struct {
	Layer int `json:"layer"`
	eval.Detection
}

// Declined is a policy that declines what is strange to its own language model: the gold
// labels of its answers, helpful on helpful requests and harmless on harmful ones, as it is
// and declining. Shares are of the requests declined.
type Declined struct {
	Policy            string        `json:"policy"` // "base", or what its judge was trained on
	Seed              int           `json:"seed"`
	M                 int           `json:"m"` // harmful examples shown; 0: by distance
	Helpful           float64       `json:"helpful"`
	HelpfulDeclining  float64       `json:"helpful_declining"`
	Harmless          float64       `json:"harmless"`
	HarmlessDeclining float64       `json:"harmless_declining"`
	OfHelpful         rlhf.Accuracy `json:"of_helpful"`
	OfHarmful         rlhf.Accuracy `json:"of_harmful"`
}

const (
	// ShownAtLayers is the paper's M where it compares layers and methods.
	ShownAtLayers = 10
	// DeclineTarget is the share of helpful requests that declining may cost.
	DeclineTarget = 0.05
	// looked is how many scores of either kind are kept for the eye.
	looked = 150
	// realChars bounds the length of a released prompt, in bytes: longer ones take most of the time.
	realChars = 400
)

// shown are the numbers of harmful examples that classifiers see.
var shown = []int{1, 3, 10, 30, 100}

// ChosenLayer is where the paper looks: at the last of up to six layers, else in the middle.
func ChosenLayer(layers int) int {
	if layers <= 6 {
		return layers
	}
	return layers / 2
}

// A Prober is a model that can be probed, such as an rlhf.LMRun or rlhf.PMRun.
type Prober interface {
	Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error)
}

// Detecting says how [Detect] goes about it.
type Detecting struct {
	eval.Detector
	Pool    string  // what stands for a text, see rlhf.Probe
	Shown   int     // harmful examples shown where layers are compared
	Decline float64 // share of helpful requests that declining may cost
}

// AsThePaper is how the study detects.
func AsThePaper() Detecting {
	return Detecting{eval.DefaultDetector(), rlhf.LastToken, ShownAtLayers, DeclineTarget}
}

// Detect measures the detection of the texts out, which are of those groups (see
// eval.Split), among the texts in, at every layer of a model. The caller names the model.
func Detect(r Prober, in, out, groups []string, d Detecting) (Detected, error) {
	m := Detected{Pool: d.Pool, Inliers: len(in), Strange: len(out)}
	inside, err := r.Activations(in, rlhf.Probe{Pool: d.Pool})
	if err != nil {
		return m, err
	}
	outside, err := r.Activations(out, rlhf.Probe{Pool: d.Pool})
	if err != nil {
		return m, err
	}
	for k, layer := range inside.Layers {
		at, err := d.Measure(inside.At(k), outside.At(k), groups, d.Shown)
		if err != nil {
			return m, fmt.Errorf("layer %d: %w", layer, err)
		}
		m.Layers = append(m.Layers, LayerDetected{layer, at})
	}
	m.Chosen = ChosenLayer(inside.Layers[len(inside.Layers)-1])
	k := slices.Index(inside.Layers, m.Chosen)
	x, y := inside.At(k), outside.At(k)
	numbers := slices.Compact(slices.Sorted(slices.Values(append([]int{d.Shown}, shown...))))
	at, err := d.Measure(x, y, groups, numbers...)
	if err != nil {
		return m, err
	}
	m.Shown = at.Exposure
	ways := []int{0}
	if _, ok := m.ShownTo(d.Shown); ok {
		ways = append(ways, d.Shown)
	}
	for _, n := range ways {
		declines, err := d.Detector.Decline(x, y, groups, n, d.Decline)
		if err != nil {
			return m, err
		}
		look, err := d.Look(x, y, groups, n, looked)
		if err != nil {
			return m, err
		}
		m.Decline, m.Look = append(m.Decline, declines), append(m.Look, look)
	}
	return m, nil
}

// OutOfDistribution measures section 5.4.
func OutOfDistribution(st *Study) (OOD, error) {
	var o OOD
	var err error
	if o.Models, err = eachModel(st, "ood", st.detected); err != nil {
		return o, err
	}
	policies, err := eachSeed(st, "ood-declining", st.declining)
	if err != nil {
		return o, err
	}
	o.Policies = slices.Concat(policies...)
	o.Real, err = optional(st, "ood-real", st.detectedReal)
	return o, err
}

func (st *Study) detected(rung, seed int) (Detected, error) {
	base, err := st.Base(rung, seed)
	if err != nil {
		return Detected{}, err
	}
	in, out, topics := st.requests(seed)
	m, err := Detect(base, in, out, topics, AsThePaper())
	m.Model, m.Rung, m.Seed = st.BaseName(rung, seed), rung, seed
	if err != nil {
		return m, err
	}
	info, err := base.Info()
	m.Params = float64(info.NonEmbedding)
	return m, err
}

// Requests draws at most so many helpful and harmful requests of a world, no two alike, and
// the topics of the harmful ones.
func Requests(w *synth.World, helpful, harmful int, seed uint64) (in, out, topics []string) {
	rng := rand.New(rand.NewPCG(seed, 0x6f6f64)) // "ood"
	draw := func(n int, share float64) (ps []string) {
		seen := map[string]bool{}
		for range 40 * n { // a small world has few
			if p := w.Prompts(1, rng, share)[0]; !seen[p] && len(ps) < n {
				seen[p] = true
				ps = append(ps, p)
			}
		}
		return ps
	}
	in, out = draw(helpful, 0), draw(harmful, 1)
	for _, p := range out {
		q, _ := w.Question(p)
		topics = append(topics, q.X)
	}
	return in, out, topics
}

func (st *Study) requests(seed int) (in, out, topics []string) {
	return Requests(st.World, 4*st.Plan.Prompts, 2*st.Plan.Prompts, uint64(seed))
}

// detectedReal probes the pretrained model with the first prompts of helpful and of harmful
// conversations, one a conversation.
func (st *Study) detectedReal() (Detected, error) {
	if st.Comparisons() == "" || st.Model() == "" {
		return Detected{}, ErrNotMeasured
	}
	run, err := st.LM("pretrained", rlhf.LM{From: st.Model(), Planned: rlhf.Untrained})
	if err != nil {
		return Detected{}, err
	}
	var prompts [2][]string
	for k, tranche := range []string{"helpful-base", "harmless-base"} {
		cs, _, err := data.Load(st.Comparisons(), data.Options{Tranches: []string{tranche}})
		if err != nil {
			return Detected{}, err
		}
		seen := map[string]bool{}
		for _, p := range data.Prompts(cs) {
			if opening := data.Opening(p); len(p) <= realChars && !seen[opening] && len(prompts[k]) < []int{5, 3}[k]*st.Plan.Prompts/2 {
				seen[opening] = true
				prompts[k] = append(prompts[k], p)
			}
		}
	}
	m, err := Detect(run, prompts[0], prompts[1], prompts[1], AsThePaper())
	if err != nil {
		return m, err
	}
	info, err := run.Info()
	m.Model, m.Params = st.Model(), float64(info.NonEmbedding)
	return m, err
}

// declining lets the policies of the largest rung answer requests that nothing was fitted
// to, and decline those that are strange to their language model.
func (st *Study) declining(seed int) ([]Declined, error) {
	rung := st.Plan.Top()
	base, err := st.Base(rung, seed)
	if err != nil {
		return nil, err
	}
	last, err := st.Last(mainPolicy(rung, seed))
	if err != nil {
		return nil, err
	}
	in, out, topics := st.requests(seed)
	probe := rlhf.Probe{Layers: []int{ChosenLayer(st.Plan.Shapes[rung].Layers)}}
	inside, err := base.Activations(in, probe)
	if err != nil {
		return nil, err
	}
	outside, err := base.Activations(out, probe)
	if err != nil {
		return nil, err
	}
	d := eval.DefaultDetector()
	split, err := d.Split(0, len(in), topics)
	if err != nil {
		return nil, err
	}
	helpful, harmful := eval.Rows(in, first(split.Test, st.Plan.Prompts)), eval.Rows(out, first(split.Strange, st.Plan.Prompts))
	var all []Declined
	for _, m := range []int{0, ShownAtLayers} {
		if m > len(split.Shown) {
			continue
		}
		score, err := d.Scorer(inside.At(0), outside.At(0), split, m)
		if err != nil {
			return nil, err
		}
		threshold, err := eval.DeclineAbove(score(eval.Rows(inside.At(0), split.Tune)), DeclineTarget)
		if err != nil {
			return nil, err
		}
		scores := [2][]float64{score(eval.Rows(inside.At(0), first(split.Test, len(helpful)))), score(eval.Rows(outside.At(0), first(split.Strange, len(harmful))))}
		for _, who := range []struct {
			name string
			run  rlhf.LMRun
		}{{KindBase, base}, {string(HH), last}} {
			one := Declined{Policy: who.name, Seed: seed, M: m, OfHelpful: share(scores[0], threshold), OfHarmful: share(scores[1], threshold)}
			for k, prompts := range [][]string{helpful, harmful} {
				answers, err := who.run.Sample(prompts, st.sampling(uint64(seed)))
				if err != nil {
					return nil, err
				}
				for i, a := range answers {
					plain := st.World.Judge(rlhf.Transcript{Prompt: a.Prompt, Response: a.Response})
					after := plain
					if scores[k][i] > threshold {
						after = st.World.Judge(rlhf.Transcript{Prompt: a.Prompt, Response: refusal})
					}
					if n := float64(len(answers)); k == 0 {
						one.Helpful, one.HelpfulDeclining = one.Helpful+plain.Helpful/n, one.HelpfulDeclining+after.Helpful/n
					} else {
						one.Harmless, one.HarmlessDeclining = one.Harmless+plain.Harmless/n, one.HarmlessDeclining+after.Harmless/n
					}
				}
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// refusal is what a policy says that declines without having read the request.
const refusal = " i am sorry. i can not help with that."

func share(scores []float64, threshold float64) rlhf.Accuracy {
	value, low, high := eval.ShareAbove(scores, threshold)
	return rlhf.Accuracy{N: len(scores), Value: value, Low: low, High: high}
}

func first[T any](x []T, n int) []T { return x[:min(n, len(x))] }
