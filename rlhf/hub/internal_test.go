package hub

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A record of what was fetched names a folder of the cache, or counts as none.
func TestRecordStaysInCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.json")
	for folder, want := range map[string]bool{"snapshots/1": true, "../elsewhere": false, "a/../../b": false, "/etc": false, "": false} {
		b, err := json.Marshal(fetched{Folder: folder, Sizes: map[string]int64{"config.json": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(readFetched(path).Sizes) > 0; got != want {
			t.Errorf("folder %q: read = %v, want %v", folder, got, want)
		}
	}
}

// FuzzRecord: whatever the record holds, its folder is within the cache.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"folder":"snapshots/1","sizes":{"config.json":3}}`))
	f.Add([]byte(`{"folder":"../x","sizes":{}}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		path := filepath.Join(t.TempDir(), "record.json")
		if err := os.WriteFile(path, record, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readFetched(path); got.Folder != "" && !filepath.IsLocal(got.Folder) {
			t.Errorf("folder %q", got.Folder)
		}
	})
}
