//go:build cgo

package gx

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// Trim gives the system what the C library has kept of the memory that was given back
// to it. It keeps gigabytes where its tunables say so, which is faster for programs
// that take and give back the same all the time, and looks like memory in use to
// everybody else.
func Trim() { C.trim() }
