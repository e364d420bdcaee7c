package pjrt_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hhrlhf/rlhf/pjrt"
)

func TestCheckPlugin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("the check is for Linux shared libraries, this is %s", runtime.GOOS)
	}
	page := filepath.Join(t.TempDir(), "page.so")
	os.WriteFile(page, []byte("<html>please log in</html>"), 0o644)
	if err := pjrt.CheckPlugin(page); err == nil || !strings.Contains(err.Error(), "no shared library") {
		t.Errorf("a login page passed: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := pjrt.CheckPlugin(self); err == nil {
		t.Error("the test binary passed for a plugin")
	}
}

func TestDownload(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole":
			fmt.Fprint(w, "content")
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "content")
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	to := filepath.Join(t.TempDir(), "file")
	if err := pjrt.Download(t.Context(), server.URL+"/whole", to, nil); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(to); string(got) != "content" {
		t.Errorf("got %q", got)
	}
	for path, want := range map[string]string{"/short": "stopped after", "/none": "404"} {
		if err := pjrt.Download(t.Context(), server.URL+path, to, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", path, err, want)
		}
	}
}
