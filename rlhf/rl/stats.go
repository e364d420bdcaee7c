package rl

// ExplainedVariance returns 1 − var(R − V)/var(R) over the true entries of mask:
// 1 for a perfect value function, 0 for a constant one, negative for one worse
// than that. It is 0 where the returns do not vary.
func ExplainedVariance[F Float](value, ret [][]F, mask [][]bool) float64 {
	left := like[float64](ret)
	eachValid(mask, func(b, t int) { left[b][t] = float64(ret[b][t]) - float64(value[b][t]) })
	_, rest := MomentsPlain(left, mask, false)
	_, all := MomentsPlain(ret, mask, false)
	if all == 0 {
		return 0
	}
	return 1 - rest/all
}
