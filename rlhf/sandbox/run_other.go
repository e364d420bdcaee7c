//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"runtime"
)

func run(context.Context, Program, Limits) (End, error) {
	return End{}, &Unavailable{Missing: "Linux: namespaces and seccomp are its own", Err: errors.New("this is " + runtime.GOOS)}
}
