// Package hub fetches files from a repository of a Hugging Face hub into a cache: the
// released comparisons, for package data to read, or a pretrained model. It is apart from
// package data because it speaks to a network, which notebook cells do not link.
package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	huggingface "github.com/gomlx/go-huggingface/hub"
)

// What a Hub fetches where its fields are empty.
const (
	DefaultEndpoint = "https://huggingface.co"
	DefaultRepo     = "Anthropic/hh-rlhf"
	DefaultRevision = "main"
)

// DefaultTranches are the comparisons of the released data.
var DefaultTranches = []string{"harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled"}

// A Hub fetches from a repository of a Hugging Face hub: [Hub.Fetch] comparisons
// from a dataset that has the files {tranche}/{part}.jsonl.gz, and [Hub.FetchModel]
// a pretrained model. Only Cache must be set.
type Hub struct {
	Cache    string    // folder for what is fetched; made where missing
	Endpoint string    // "" means DefaultEndpoint; a mirror's address otherwise
	Repo     string    // "" means DefaultRepo
	Revision string    // branch, tag or commit; "" means DefaultRevision
	Token    string    // sent as a bearer token; "" sends none
	Tranches []string  // none means DefaultTranches
	Parts    []string  // none means "train" and "test"
	Progress io.Writer // lines about what is fetched and how long it still takes; nil for none
}

// Fetch brings the files into the cache and returns the folder that holds them,
// for data.Load. Files that are there already are not fetched again, and when all
// are, no network is needed: a branch is then read as it was first fetched, and
// emptying Cache fetches it anew. After an interruption the next call
// fetches the files that lack. Each is checked against the size, and where the
// hub has it the SHA-256, that the hub lists.
//
// The error says what to do; without a network, that is to put the files into a
// local folder.
func (h Hub) Fetch(ctx context.Context) (folder string, err error) {
	h = h.withDefaults()
	var names []string
	for _, tranche := range h.Tranches {
		for _, part := range h.Parts {
			names = append(names, tranche+"/"+part+".jsonl.gz")
		}
	}
	return h.fetch(ctx, repository{
		kind: huggingface.RepoTypeDataset, record: "",
		have:   func(f fetched, folder string) bool { return f.hasAll(folder, names) },
		choose: func(map[string]*huggingface.FileInfo) ([]string, error) { return names, nil },
		byHand: "put the files {tranche}/{part}.jsonl.gz into a local folder and load that",
	})
}

// A repository says what fetch brings from it.
type repository struct {
	kind   huggingface.RepoType
	record string // begins the name of the record in the cache
	// have says whether what was fetched before is all there, without the network.
	have func(f fetched, folder string) bool
	// choose names the files to fetch of those that the hub lists.
	choose func(listed map[string]*huggingface.FileInfo) ([]string, error)
	byHand string // what to do without a network
}

// fetch brings the chosen files of h.Repo into the cache.
func (h Hub) fetch(ctx context.Context, what repository) (folder string, err error) {
	if h.Cache == "" {
		return "", errors.New("hub: Hub.Cache is empty, want the path of a folder for what is fetched")
	}
	if h.Cache, err = filepath.Abs(h.Cache); err != nil {
		return "", fmt.Errorf("hub: Hub.Cache: %w", err)
	}
	record := filepath.Join(h.Cache, "fetched", what.record+strings.ReplaceAll(h.Repo, "/", "--")+"@"+strings.ReplaceAll(h.Revision, "/", "--")+".json")
	got := readFetched(record)
	if folder := filepath.Join(h.Cache, got.Folder); what.have(got, folder) {
		return folder, nil
	}
	repo := huggingface.New(h.Repo).WithType(what.kind).WithEndpoint(strings.TrimSuffix(h.Endpoint, "/")).
		WithRevision(h.Revision).WithAuth(h.Token).WithCacheDir(h.Cache)
	repo.Verbosity = 0
	listed, err := listing(ctx, repo)
	if err != nil {
		return "", h.fault("the list of files of "+h.Repo, what.byHand, err)
	}
	names, err := what.choose(listed)
	if err != nil {
		return "", err
	}
	if err := h.listedAll(names, listed); err != nil {
		return "", err
	}
	meter := newMeter(h.Progress, h.Cache, names, listed)
	defer meter.stop()
	for i, name := range names {
		meter.file(i)
		path, err := repo.DownloadFileCtx(ctx, name)
		if ctx.Err() != nil {
			return "", fmt.Errorf("hub: fetching %s: %w", name, ctx.Err())
		}
		if err != nil {
			return "", h.fault(name, what.byHand, err)
		}
		if err := check(path, listed[name]); err != nil {
			return "", fmt.Errorf("hub: %s from %s: %w; run it again", name, h.Endpoint, err)
		}
		folder = strings.TrimSuffix(path, string(filepath.Separator)+filepath.FromSlash(name))
		got.Sizes[name] = listed[name].Size
	}
	if got.Folder, err = filepath.Rel(h.Cache, folder); err != nil {
		return "", fmt.Errorf("hub: recording what was fetched: %w", err)
	}
	return folder, got.write(record)
}

// listedAll returns an error that names the first file which the hub does not list.
func (h Hub) listedAll(names []string, listed map[string]*huggingface.FileInfo) error {
	for _, name := range names {
		if listed[name] == nil {
			return fmt.Errorf("hub: %s at %s has no file %q; it has %q", h.Repo, h.Revision, name, slices.Sorted(maps.Keys(listed)))
		}
	}
	return nil
}

func (h Hub) withDefaults() Hub {
	for _, f := range []struct {
		field *string
		value string
	}{{&h.Endpoint, DefaultEndpoint}, {&h.Repo, DefaultRepo}, {&h.Revision, DefaultRevision}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if len(h.Tranches) == 0 {
		h.Tranches = DefaultTranches
	}
	if len(h.Parts) == 0 {
		h.Parts = []string{"train", "test"}
	}
	return h
}

// listing asks the hub for the files of the repository. The library takes no
// context here, so an interrupted call leaves it behind.
func listing(ctx context.Context, repo *huggingface.Repo) (map[string]*huggingface.FileInfo, error) {
	done := make(chan error, 1)
	go func() { done <- repo.DownloadInfo(true) }()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-done:
		if err != nil {
			return nil, err
		}
	}
	out := map[string]*huggingface.FileInfo{}
	for info, err := range repo.IterFileInfos() {
		if err != nil {
			return nil, err
		}
		out[info.Name] = info
	}
	return out, nil
}

// fault explains why something could not be fetched.
func (h Hub) fault(what, byHand string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("hub: fetching %s: %w", what, err)
	}
	return fmt.Errorf("hub: fetching %s from %s: %w; without a network (or to use a copy) %s, or set the endpoint of a mirror", what, h.Endpoint, err, byHand)
}

// check compares a fetched file with what the hub lists and removes it where
// they differ. The library reports a transfer that broke off as a success.
func check(path string, info *huggingface.FileInfo) error {
	sum, size, err := sumFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = errors.New("the transfer broke off")
	case err != nil:
	case info.Size > 0 && size != info.Size:
		err = fmt.Errorf("%d bytes arrived, the hub lists %d", size, info.Size)
	case info.LFS != nil && info.LFS.SHA256 != "" && sum != info.LFS.SHA256:
		err = fmt.Errorf("its SHA-256 is %s, the hub lists %s", sum, info.LFS.SHA256)
	default:
		return nil
	}
	if blob, linkErr := filepath.EvalSymlinks(path); linkErr == nil {
		err = errors.Join(err, os.Remove(blob))
	}
	if rmErr := os.Remove(path); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	return err
}

func sumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// fetched records what a repository's folder in the cache holds, checked.
type fetched struct {
	Folder string           `json:"folder"` // relative to the cache, which may move
	Sizes  map[string]int64 `json:"sizes"`  // by file name
}

// readFetched returns an empty record where there is none that can be read: the
// files are then fetched.
func readFetched(path string) fetched {
	f := fetched{Sizes: map[string]int64{}}
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &f) != nil || f.Sizes == nil || !filepath.IsLocal(f.Folder) {
		return fetched{Sizes: map[string]int64{}}
	}
	return f
}

func (f fetched) hasAll(folder string, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		size, known := f.Sizes[name]
		info, err := os.Stat(filepath.Join(folder, filepath.FromSlash(name)))
		return !known || err != nil || (size > 0 && info.Size() != size)
	})
}

// write replaces the record in one step.
func (f fetched) write(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path+".part", b, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		return fmt.Errorf("hub: recording what was fetched: %w", err)
	}
	return nil
}
