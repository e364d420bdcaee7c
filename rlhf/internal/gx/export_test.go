package gx

// What the check for stale weights multiplies, for the test that it is not blind.
var (
	StaleProducts = staleProducts
	Ramp          = ramp
)
