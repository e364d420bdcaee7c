package lm

// The operations whose gradients are given in closed form, for their tests.
var (
	OpNorm     = layerNorm
	OpLinear   = linear
	OpProduct  = product
	OpAttend   = (&Net{}).attend
	ProbeGraph = probeGraph
)
