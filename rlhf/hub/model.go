package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	huggingface "github.com/gomlx/go-huggingface/hub"
)

// modelFiles are the files beside the weights that describe a model and its
// tokenizer, as far as a repository has them.
var modelFiles = []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
	"special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja"}

// FetchModel brings the model of h.Repo into the cache and returns the folder
// that holds it: its config.json, its weights as safetensors, sharded or not, and
// the files of its tokenizer. It checks, resumes and does without a network as
// [Hub.Fetch] does; Tranches and Parts are not used.
func (h Hub) FetchModel(ctx context.Context) (folder string, err error) {
	if h.Repo == "" {
		return "", errors.New(`hub: Hub.Repo is empty, want the owner and name of a model, as in "HuggingFaceTB/SmolLM2-135M-Instruct"`)
	}
	h = h.withDefaults()
	return h.fetch(ctx, repository{
		kind: huggingface.RepoTypeModel, record: "models--",
		// The record is written when everything it lists has arrived.
		have: func(f fetched, folder string) bool {
			return len(f.Sizes) > 0 && f.hasAll(folder, slices.Collect(maps.Keys(f.Sizes)))
		},
		choose: func(listed map[string]*huggingface.FileInfo) ([]string, error) { return h.chooseModel(listed) },
		byHand: "put the model's files into a local folder and name that",
	})
}

// chooseModel picks the files of a model that can be read here.
func (h Hub) chooseModel(listed map[string]*huggingface.FileInfo) ([]string, error) {
	var names []string
	for _, name := range modelFiles {
		if listed[name] != nil {
			names = append(names, name)
		}
	}
	const index, single = "model.safetensors.index.json", "model.safetensors"
	switch {
	case listed["config.json"] == nil:
		return nil, fmt.Errorf("hub: %s at %s has no config.json, so it is no model that can be read here; it has %q",
			h.Repo, h.Revision, slices.Sorted(maps.Keys(listed)))
	case listed[single] != nil:
		return append(names, single), nil
	case listed[index] != nil:
		names = append(names, index)
		for _, name := range slices.Sorted(maps.Keys(listed)) {
			if ok, _ := path.Match("model-*.safetensors", name); ok { // the pattern is well-formed
				names = append(names, name)
			}
		}
		return names, nil
	}
	var weights []string
	for name := range listed {
		if strings.HasSuffix(name, ".bin") || strings.HasSuffix(name, ".gguf") || strings.HasSuffix(name, ".safetensors") {
			weights = append(weights, name)
		}
	}
	slices.Sort(weights)
	return nil, fmt.Errorf("hub: %s at %s has no %s and no %s; its weights are %q: fetch a .gguf file by hand and name its path, or take a repository with safetensors",
		h.Repo, h.Revision, single, index, weights)
}
