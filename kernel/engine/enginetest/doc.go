// Package enginetest provides a [Lab] made of arithmetic: it trains nothing,
// but has runs, steps that take a given time, deterministic metrics, stops at
// step boundaries, and faults on demand. The engine, its client and the
// pictures are tested with it.
package enginetest
