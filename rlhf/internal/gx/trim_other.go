//go:build !linux || !cgo

package gx

// Trim does something on Linux alone.
func Trim() {}
