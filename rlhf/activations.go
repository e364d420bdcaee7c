package rlhf

// A Probe says which activations of a model are read.
type Probe struct {
	// Layers are the blocks after which the residual stream is read: 1 is after the
	// first, the model's number of layers after the last; 0 is the embedding that the
	// first block gets. nil: all, from 0 to the last. The final norm is never applied.
	Layers []int `json:"layers,omitempty"`
	// Pool says what becomes of the tokens of a text: LastToken (also "") or MeanToken.
	Pool string `json:"pool,omitempty"`
}

// What a [Probe] makes of the tokens of a text.
const (
	LastToken = "last" // the vector at the last one, which has seen the whole text
	MeanToken = "mean" // the mean of the vectors at all of them
)

// Activations are what a model holds of texts.
type Activations struct {
	Layers []int `json:"layers"` // that were read, in the order asked for
	Width  int   `json:"width"`  // entries of a vector, the model's d_model
	// Texts[i][k] is the vector of text i at Layers[k].
	Texts [][][]float32 `json:"texts"`
}

// ProbedAtOnce is how many texts are probed together. A call over a socket carries at
// most so many and longer lists are sent in parts, which leaves every bit as it is in
// process; MostProbed is how many numbers such a part may have.
const (
	ProbedAtOnce = 128
	MostProbed   = 1 << 25
)

// At returns the vectors of all texts at Layers[k], in float64 for statistics.
func (a Activations) At(k int) [][]float64 {
	out := make([][]float64, len(a.Texts))
	for i, layers := range a.Texts {
		out[i] = make([]float64, len(layers[k]))
		for j, v := range layers[k] {
			out[i][j] = float64(v)
		}
	}
	return out
}
