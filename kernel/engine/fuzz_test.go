package engine

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// FuzzHandler: whatever a client sends, the engine answers, and never with a panic
// that it had to catch.
func FuzzHandler(f *testing.F) {
	transcript := `{"prompt":"\\n\\nHuman: a\\n\\nAssistant:","response":" b"}`
	for _, seed := range [][3]string{
		{"POST", "/v1/lm/l", `{"planned":3}`}, {"POST", "/v1/ppo/q", `{"policy":"lm","pm":"pm"}`}, {"GET", "/v1/runs/..%2f..%2fetc/history", ""},
		{"DELETE", "/v1/runs/%2e%2e", ""}, {"POST", "/v1/lm/lm/sample", `{"prompts":["a"],"sampling":{"max_tokens":2}}`},
		{"POST", "/v1/pm/pm/score", `{"transcripts":[` + transcript + `]}`}, {"POST", "/v1/pm/pm/comparisons", `{"n":-1}`},
		{"POST", "/v1/pm/pm/best-of", `{"policy":"lm","prompts":["a"],"k":1000000000}`}, {"POST", "/v1/ppo/ppo/rollout", "{}"},
		{"POST", "/v1/ppo/ppo/update", `{"step":1,"samples":null}`}, {"POST", "/v1/ppo/ppo/score", `{"tokens":[[1,2],[3]],"lengths":[5,-1]}`},
		{"POST", "/v1/ppo/ppo/steps", `{"n":1}`}, {"POST", "/v1/lm/lm/chat", `{"turns":[{"text":"x"}]}`}, {"GET", "/v1/calls/x", ""},
		{"POST", "/v1/ppo/ppo/snapshot", `{"name":"../x"}`}, {"POST", "/v1/lm/lm/evaluate-on", `{"data":"../../etc/passwd","rows":-3}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		lab, err := enginetest.New(enginetest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lab.LM("lm", rlhf.LM{Planned: 2}); err != nil {
			t.Fatal(err)
		}
		if _, err := lab.PM("pm", rlhf.PM{LM: "lm"}); err != nil {
			t.Fatal(err)
		}
		if _, err := lab.PPO("ppo", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 2}); err != nil {
			t.Fatal(err)
		}
		s := &server{o: Options{Lab: lab, Version: "test", Log: slog.New(slog.DiscardHandler), MaxBody: 1 << 16}, base: t.Context(), calls: map[string]*call{}}
		req, err := http.NewRequest(method, "http://engine"+path, strings.NewReader(body))
		if err != nil {
			return // no request that an HTTP server would see
		}
		req.RequestURI, req.RemoteAddr = req.URL.RequestURI(), "@"
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, req.WithContext(t.Context()))
		if w.Code == http.StatusInternalServerError || strings.Contains(w.Body.String(), `"kind":"`+wire.KindPanic+`"`) {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if len(s.calls) > 0 || s.lease.busy() != "" {
			t.Errorf("%s %s: calls %v and the device's holder %q are left", method, path, s.calls, s.lease.busy())
		}
	})
}
