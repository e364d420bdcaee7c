package host

import (
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/kernel/setup"
)

func TestDataset(t *testing.T) {
	find := func(name string) (string, error) {
		return dataset(t.Context(), setup.Dirs{Cache: t.TempDir()}, name)
	}
	t.Setenv(DataEnv, "")
	if path, err := find("other"); path != "" || err != nil {
		t.Errorf("without the variable: %q, %v", path, err)
	}
	root := t.TempDir()
	t.Setenv(DataEnv, filepath.Dir(root))
	if path, err := find(filepath.Base(root)); path != root || err != nil {
		t.Errorf("got %q, %v, want %q", path, err, root)
	}
	if _, err := find("none"); err == nil || !strings.Contains(err.Error(), DataEnv+"=") {
		t.Errorf("a name it does not hold: %v", err)
	}
	if path, err := find("../etc"); path != "" || err != nil {
		t.Errorf("a way out: %q, %v", path, err)
	}
}

func TestRefusesAnEmptyBackend(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "")
	if err := Ready(setup.Dirs{Data: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "set but empty") {
		t.Errorf("error %v", err)
	}
}
