package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/run"
)

// What was written is read again, none is none, and a broken file is named with what to do.
func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "x.json")
	var got []int
	if there, err := run.ReadJSON(path, &got); there || err != nil {
		t.Errorf("no file: %v, %v", there, err)
	}
	if err := run.WriteJSON(path, []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	if there, err := run.ReadJSON(path, &got); !there || err != nil || len(got) != 2 {
		t.Errorf("%v, %v, %v", got, there, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := run.WriteJSON(path, func() {}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("what is no JSON: %v", err)
	}
	if err := os.WriteFile(path, []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if there, err := run.ReadJSON(path, &got); !there || err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("broken: %v, %v", there, err)
	}
}
