package hub_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/hub"
)

func modelHub(t *testing.T, files ...string) *fakeHub {
	content := map[string]string{}
	for _, name := range files {
		content[name] = "content of " + name
	}
	h := newFakeHub(t, content)
	h.api, h.resolve = "/api/models/owner/model/revision/main", "/owner/model/resolve/"+commit+"/"
	return h
}

func TestFetchModel(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  []string
	}{
		{"one file", []string{"config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "README.md", "onnx/model.onnx"},
			[]string{"config.json", "model.safetensors", "tokenizer.json"}},
		{"shards", []string{"config.json", "tokenizer.model", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
			"model-00002-of-00002.safetensors", "consolidated.safetensors"},
			[]string{"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.model"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := modelHub(t, c.files...)
			var said bytes.Buffer
			h := hub.Hub{Cache: t.TempDir(), Endpoint: server.URL, Repo: "owner/model", Progress: &said}
			folder, err := h.FetchModel(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			entries, _ := os.ReadDir(folder)
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("the folder holds %q, want %q", got, c.want)
			}
			if b, err := os.ReadFile(filepath.Join(folder, "config.json")); string(b) != "content of config.json" {
				t.Errorf("config.json holds %q, %v", b, err)
			}
			if !strings.Contains(said.String(), "fetching config.json (0.0 MB), file 1 of ") {
				t.Errorf("progress %q", said.String())
			}
			server.Close()
			if again, err := h.FetchModel(t.Context()); err != nil || again != folder {
				t.Errorf("offline: %q, %v", again, err)
			}
			// A data set of the same name is another thing.
			if _, err := h.Fetch(t.Context()); err == nil {
				t.Error("the model's cache answers for a data set")
			}
		})
	}
}

func TestFetchModelErrors(t *testing.T) {
	for _, c := range []struct {
		repo  string
		files []string
		want  string
	}{
		{"", nil, "hub: Hub.Repo is empty"},
		{"owner/model", []string{"README.md"}, `has no config.json, so it is no model that can be read here; it has ["README.md"]`},
		{"owner/model", []string{"config.json", "pytorch_model.bin", "q4.gguf"}, `its weights are ["pytorch_model.bin" "q4.gguf"]`},
		{"other/model", []string{"config.json"}, "put the model's files into a local folder"},
	} {
		h := hub.Hub{Cache: t.TempDir(), Endpoint: modelHub(t, c.files...).URL, Repo: c.repo}
		if _, err := h.FetchModel(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %q: error %v, want %q in it", c.repo, c.files, err, c.want)
		}
	}
}

func TestFetchModelIsResumed(t *testing.T) {
	server := modelHub(t, "config.json", "model.safetensors")
	server.cutAt["model.safetensors"] = 3
	h := hub.Hub{Cache: t.TempDir(), Endpoint: server.URL, Repo: "owner/model"}
	if _, err := h.FetchModel(t.Context()); err == nil || !strings.Contains(err.Error(), "the transfer broke off; run it again") {
		t.Fatalf("a transfer that breaks off: %v", err)
	}
	delete(server.cutAt, "model.safetensors")
	if _, err := h.FetchModel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := server.served["config.json"]; n != 1 {
		t.Errorf("config.json was fetched %d times, want 1", n)
	}
}
