package hub_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/hub"
)

// fakeHub serves a dataset repository as the hub does: the list of files under
// /api, the files under /datasets/.../resolve.
type fakeHub struct {
	*httptest.Server
	api, resolve string // paths of the list and of the files
	mu           sync.Mutex
	files        map[string]string
	served       map[string]int // GETs by file name
	cutAt        map[string]int // send that many bytes only, and hang up
	swapped      map[string]string
	auth         string
	hang         chan struct{} // where not nil, files wait for it
}

const commit = "0123456789abcdef0123456789abcdef01234567"

func newFakeHub(t *testing.T, files map[string]string) *fakeHub {
	h := &fakeHub{api: "/api/datasets/Anthropic/hh-rlhf/revision/main", resolve: "/datasets/Anthropic/hh-rlhf/resolve/" + commit + "/",
		files: files, served: map[string]int{}, cutAt: map[string]int{}, swapped: map[string]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.auth = r.Header.Get("Authorization")
	h.mu.Unlock()
	if r.URL.Path == h.api {
		var list []string
		for name, content := range h.files {
			list = append(list, fmt.Sprintf(`{"rfilename": %q, "size": %d, "lfs": {"sha256": %q, "size": %d}}`, name, len(content), sum(content), len(content)))
		}
		fmt.Fprintf(w, `{"id": "Anthropic/hh-rlhf", "sha": %q, "siblings": [%s]}`, commit, strings.Join(list, ","))
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, h.resolve)
	content, known := h.files[name]
	if !ok || !known {
		http.Error(w, `{"error": "Entry not found"}`, http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", `"`+sum(content)+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method == http.MethodHead {
		return
	}
	h.mu.Lock()
	h.served[name]++
	cut, hang := h.cutAt[name], h.hang
	if other, ok := h.swapped[name]; ok {
		content = other
	}
	h.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return
	}
	if cut > 0 {
		content = content[:cut]
	}
	w.Write([]byte(content)) // shorter than announced: the server hangs up
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func repoFiles(t *testing.T) map[string]string {
	files := map[string]string{"README.md": "read me", "red-team-attempts/red_team_attempts.jsonl.gz": "[]"}
	for _, tranche := range hub.DefaultTranches {
		for i, part := range []string{"train", "test"} {
			row := fmt.Sprintf(`{"prompt": "hi", "chosen": "%s %s", "rejected": "no"}`+"\n", tranche, part)
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := io.WriteString(z, strings.Repeat(row, 3-i)); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			files[tranche+"/"+part+".jsonl.gz"] = b.String()
		}
	}
	return files
}

func TestFetch(t *testing.T) {
	server := newFakeHub(t, repoFiles(t))
	cache := t.TempDir()
	h := hub.Hub{Cache: cache, Endpoint: server.URL + "/", Token: "secret"}
	folder, err := h.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cs, report, err := data.Load(folder, data.Options{})
	if err != nil || len(cs) != 4*5 || len(report.Files) != 8 || report.Files[0].Tranche != "harmless-base" || report.Files[0].Part != "test" {
		t.Errorf("%d comparisons, %v, %v", len(cs), report, err)
	}
	if server.auth != "Bearer secret" {
		t.Errorf("Authorization = %q", server.auth)
	}
	for name, n := range server.served {
		if n != 1 || strings.Contains(name, "red-team") || name == "README.md" {
			t.Errorf("%s was fetched %d times", name, n)
		}
	}
	// From now on no network is needed, wherever the cache is.
	server.Close()
	h.Cache = filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(cache, h.Cache); err != nil {
		t.Fatal(err)
	}
	again, err := h.Fetch(t.Context())
	if err != nil || again == folder {
		t.Fatalf("offline: %q, %v", again, err)
	}
	if _, moved, err := data.Load(again, data.Options{}); err != nil || moved.SHA256 != report.SHA256 {
		t.Errorf("offline: %v, %v", moved, err)
	}
}

func TestFetchIsResumed(t *testing.T) {
	server := newFakeHub(t, repoFiles(t))
	server.cutAt["helpful-base/test.jsonl.gz"] = 20
	h := hub.Hub{Cache: t.TempDir(), Endpoint: server.URL}
	_, err := h.Fetch(t.Context())
	want := "hub: helpful-base/test.jsonl.gz from " + server.URL + ": the transfer broke off; run it again"
	if err == nil || err.Error() != want {
		t.Fatalf("a transfer that breaks off: %v, want %s", err, want)
	}
	delete(server.cutAt, "helpful-base/test.jsonl.gz")
	folder, err := h.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cs, _, err := data.Load(folder, data.Options{}); err != nil || len(cs) != 20 {
		t.Errorf("%d comparisons, %v", len(cs), err)
	}
	for name, want := range map[string]int{"harmless-base/test.jsonl.gz": 1, "helpful-base/test.jsonl.gz": 2} {
		if n := server.served[name]; n != want {
			t.Errorf("%s was fetched %d times, want %d", name, n, want)
		}
	}
}

func TestFetchChecksWhatArrives(t *testing.T) {
	files := repoFiles(t)
	const name = "harmless-base/test.jsonl.gz"
	server := newFakeHub(t, files)
	swapped := []byte(files[name])
	swapped[len(swapped)-1] ^= 1
	server.swapped[name] = string(swapped)
	h := hub.Hub{Cache: t.TempDir(), Endpoint: server.URL, Tranches: []string{"harmless-base"}, Parts: []string{"test"}}
	_, err := h.Fetch(t.Context())
	want := fmt.Sprintf("its SHA-256 is %s, the hub lists %s; run it again", sum(string(swapped)), sum(files[name]))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %s", err, want)
	}
	delete(server.swapped, name)
	folder, err := h.Fetch(t.Context())
	if err != nil {
		t.Fatalf("after a bad transfer: %v", err)
	}
	// A file that was cut in the cache afterwards is noticed.
	path, err := filepath.EvalSymlinks(filepath.Join(folder, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "5 bytes arrived, the hub lists") {
		t.Errorf("a cut file in the cache: %v", err)
	}
	if _, err := h.Fetch(t.Context()); err != nil {
		t.Errorf("and again: %v", err)
	}
}

func TestFetchErrors(t *testing.T) {
	server := newFakeHub(t, repoFiles(t))
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	for _, c := range []struct {
		name string
		hub  hub.Hub
		want []string
	}{
		{"no cache", hub.Hub{}, []string{"hub: Hub.Cache is empty"}},
		{"offline", hub.Hub{Endpoint: dead.URL}, []string{"hub: fetching the list of files of Anthropic/hh-rlhf from " + dead.URL, "connection refused", "put the files {tranche}/{part}.jsonl.gz into a local folder"}},
		{"no such repository", hub.Hub{Endpoint: server.URL, Repo: "nobody/nothing"}, []string{"list of files of nobody/nothing", "404"}},
		{"no such tranche", hub.Hub{Endpoint: server.URL, Tranches: []string{"helpful"}}, []string{`no file "helpful/train.jsonl.gz"; it has ["README.md" "harmless-base/test.jsonl.gz"`}},
		{"bad endpoint", hub.Hub{Endpoint: "not a url"}, []string{"not a url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "no cache" {
				c.hub.Cache = t.TempDir()
			}
			_, err := c.hub.Fetch(t.Context())
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
		})
	}
}

func TestFetchIsInterrupted(t *testing.T) {
	server := newFakeHub(t, repoFiles(t))
	server.hang = make(chan struct{})
	defer close(server.hang)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := hub.Hub{Cache: t.TempDir(), Endpoint: server.URL}.Fetch(ctx)
	if err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v to stop", took)
	}
}
