package pjrt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/pjrt"
)

func ExampleBackend() {
	os.Setenv("GOMLX_BACKEND", "go")
	defer os.Unsetenv("GOMLX_BACKEND")
	config, err := pjrt.Backend(context.Background(), os.Stderr)
	fmt.Println(config, err)
	// Output: go <nil>
}

func ExampleFindHome() {
	os.Setenv(pjrt.HomeEnv, "/srv/rlhf")
	defer os.Unsetenv(pjrt.HomeEnv)
	home, err := pjrt.FindHome()
	fmt.Println(filepath.ToSlash(home.Data), filepath.ToSlash(home.Cache), err)
	// Output: /srv/rlhf /srv/rlhf/cache <nil>
}
