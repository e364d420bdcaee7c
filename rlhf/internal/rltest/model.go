package rltest

import (
	"os"
	"path/filepath"
	"testing"

	"hhrlhf/rlhf/models"
	"hhrlhf/rlhf/pjrt"
)

// modelsEnv names a folder with the files of pretrained models.
const modelsEnv = "HHRLHF_MODELS"

// Model returns the path of a checkpoint of package models, such as "smollm2":
// in the folder that the variable HHRLHF_MODELS names, else where set-up installs
// it. Without it the test skips and says so.
func Model(t testing.TB, name string) (path string) {
	t.Helper()
	c, ok := models.Named(name)
	if !ok {
		t.Fatalf("rltest: there is no model %q", name)
	}
	dirs := []string{os.Getenv(modelsEnv)}
	if home, err := pjrt.FindHome(); err == nil {
		dirs = append(dirs, filepath.Join(home.Data, models.Folder))
	}
	path, ok = c.Find(dirs...)
	if !ok {
		t.Skipf("%s is not installed; run: rlhf setup -model %s (or name the folder of %s in %s)", name, name, c.File, modelsEnv)
	}
	return path
}

// Data returns the path of a file in the folder that HHRLHF_DATA names. Without
// it the test skips and says so.
func Data(t testing.TB, file string) string {
	t.Helper()
	folder := os.Getenv("HHRLHF_DATA")
	if folder == "" {
		t.Skipf("HHRLHF_DATA is not set: it names the folder that holds %s", file)
	}
	return filepath.Join(folder, file)
}
