package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"hhrlhf/rlhf/hub"
)

// HubPrefix begins the name of a repository on a hub.
const HubPrefix = "hub:"

// ErrNotInstalled is the error for a checkpoint of [Known] that is in no folder.
var ErrNotInstalled = errors.New("is not installed")

// A Library finds checkpoints by name.
type Library struct {
	Dirs []string // folders of installed checkpoints; the first that has one wins
	Hub  hub.Hub  // where repositories come from, and the cache that keeps them
}

// Path returns where the model of that name lies (the package comment says what
// names there are): a folder or a file. Only a repository that is not in the
// cache yet needs the network. The error says what to do; for a checkpoint that
// is not installed it is [ErrNotInstalled].
func (l Library) Path(ctx context.Context, name string) (string, error) {
	if c, ok := Named(name); ok {
		if path, ok := c.Find(l.Dirs...); ok {
			return path, nil
		}
		return "", fmt.Errorf("models: %s (%s, %d MB) %w; run: rlhf setup -model %s", c.Name, c.About, c.Size>>20, ErrNotInstalled, c.Name)
	}
	if repo, ok := strings.CutPrefix(name, HubPrefix); ok {
		owner, model, ok := strings.Cut(repo, "/")
		if !ok || owner == "" || model == "" || strings.Contains(model, "/") {
			return "", fmt.Errorf("models: %q: want %sowner/name, as in %sHuggingFaceTB/SmolLM2-135M-Instruct", name, HubPrefix, HubPrefix)
		}
		h := l.Hub
		h.Repo = repo
		return h.FetchModel(ctx)
	}
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("models: %q is no model: there is no such file or folder, and the known names are %s and %sowner/name",
			name, strings.Join(names(), ", "), HubPrefix)
	}
	return name, nil
}

func names() []string {
	var list []string
	for _, c := range Known() {
		list = append(list, c.Name)
	}
	return list
}
