package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/proxy"
)

func open(t *testing.T, path string) *proxy.History {
	t.Helper()
	h, err := proxy.OpenHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func add(t *testing.T, h *proxy.History, sources ...string) {
	t.Helper()
	for i, s := range sources {
		if err := h.Add(i+1, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "history.jsonl")
	add(t, open(t, path), "one", "two/2", "  ", "one")
	h := open(t, path)
	add(t, h, "three", "four")
	for _, c := range []struct {
		name string
		q    proxy.HistoryQuery
		want [][]any
	}{
		{"tail", proxy.HistoryQuery{Access: "tail", N: 3}, [][]any{{1, 4, "one"}, {2, 1, "three"}, {2, 2, "four"}}},
		{"tail with outputs", proxy.HistoryQuery{N: 1, Output: true}, [][]any{{2, 2, []any{"four", nil}}}},
		{"this session", proxy.HistoryQuery{Access: "range"}, [][]any{{2, 1, "three"}, {2, 2, "four"}}},
		{"the session before", proxy.HistoryQuery{Access: "range", Session: -1, Start: 1, Stop: 3}, [][]any{{1, 1, "one"}, {1, 2, "two/2"}}},
		{"session 1 from 2", proxy.HistoryQuery{Access: "range", Session: 1, Start: 2}, [][]any{{1, 2, "two/2"}, {1, 4, "one"}}},
		{"search", proxy.HistoryQuery{Access: "search", Pattern: "*o*"}, [][]any{{1, 1, "one"}, {1, 2, "two/2"}, {1, 4, "one"}, {2, 2, "four"}}},
		{"search unique", proxy.HistoryQuery{Access: "search", Pattern: "o*", Unique: true}, [][]any{{1, 4, "one"}}},
		{"search latest", proxy.HistoryQuery{Access: "search", Pattern: "*", N: 1}, [][]any{{2, 2, "four"}}},
		{"broken pattern", proxy.HistoryQuery{Access: "search", Pattern: "["}, [][]any{}},
	} {
		if diff := cmp.Diff(c.want, h.Query(c.q)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if err := h.Restart(); err != nil {
		t.Fatal(err)
	}
	add(t, h, "five")
	want := [][]any{{3, 1, "five"}}
	if diff := cmp.Diff(want, h.Query(proxy.HistoryQuery{Access: "range"})); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestHistorySkipsBrokenLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	text := "{\"session\":4,\"line\":1,\"source\":\"kept\"}\n{\"session\":\nnot JSON\n{\"line\":1}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, path)
	add(t, h, "new")
	if diff := cmp.Diff([][]any{{4, 1, "kept"}, {5, 1, "new"}}, h.Query(proxy.HistoryQuery{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	line := "{\"session\":1,\"line\":1,\"source\":\"x\"}\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 10001)), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); n != 5001 { // 5000 kept and the new session
		t.Errorf("%d lines after opening 10001", n)
	}
}
