package pjrt

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gomlx/go-xla/installer"
)

// ReleaseVersion is the plugin that go-xla v0.4.2 is built for.
const ReleaseVersion = "v0.114.0"

const (
	reachLimit   = 8 * time.Second  // to be told where the release lies
	releaseLimit = 20 * time.Minute // to have it here
)

// A Release is the CPU plugin as go-xla's own installer finds and unpacks it.
// The transfer between the two is ours, because the installer's cannot be
// cancelled and has no time limit.
type Release struct{ Version string }

// Name implements [Source].
func (r Release) Name() string { return "go-xla release " + r.Version }

// Fetch implements [Source].
func (r Release) Fetch(ctx context.Context, stage, _ string, log *Progress) (string, error) {
	url, err := r.find(ctx)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(stage, "plugin.tar.gz")
	log.Printf("downloading the release")
	if err := download(ctx, url, archive, log); err != nil {
		return "", err
	}
	files, err := installer.Untar(archive, filepath.Join(stage, "release"))
	if err != nil {
		return "", fmt.Errorf("unpack: %w", err)
	}
	for _, f := range files {
		base := filepath.Base(f)
		if strings.HasPrefix(base, "pjrt_c_api_cpu_") && filepath.Ext(base) != ".dll" {
			return f, checkPlugin(f)
		}
	}
	return "", fmt.Errorf("the archive holds no pjrt_c_api_cpu_*_plugin, only %d other files", len(files))
}

// find asks for the archive's address. The installer's call has no limit of its
// own; on a network that swallows packets it is left behind after reachLimit,
// to end by itself.
func (r Release) find(ctx context.Context) (string, error) {
	type answer struct {
		url string
		err error
	}
	got := make(chan answer, 1)
	go func() {
		url, err := installer.CPUGetDownloadURL(runtime.GOOS+"_"+runtime.GOARCH, r.Version)
		got <- answer{url, err}
	}()
	select {
	case a := <-got:
		return a.url, a.err
	case <-time.After(reachLimit):
		return "", fmt.Errorf("no answer in %v; this network does not reach it", reachLimit)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// download fetches url into a file, saying how far it is.
func download(ctx context.Context, url, to string, log *Progress) error {
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("download answered %s", resp.Status)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	stop := log.Every(5*time.Second, func() string {
		info, err := os.Stat(to)
		if err != nil {
			return "downloading"
		}
		return fmt.Sprintf("%d MB of %d MB", info.Size()>>20, resp.ContentLength>>20)
	})
	defer stop()
	n, err := io.Copy(f, resp.Body)
	if err != nil {
		return fmt.Errorf("download stopped after %d MB: %w", n>>20, err)
	}
	if resp.ContentLength >= 0 && n != resp.ContentLength {
		return fmt.Errorf("download has %d bytes, want %d", n, resp.ContentLength)
	}
	return f.Close()
}

// checkPlugin stands in for the checksum that the release does not publish: on
// Linux the file must be a shared library that offers the PJRT entry point.
func checkPlugin(name string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	f, err := elf.Open(name)
	if err != nil {
		return fmt.Errorf("%s is no shared library: %w", filepath.Base(name), err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	for _, s := range symbols {
		if s.Name == "GetPjrtApi" {
			return nil
		}
	}
	return fmt.Errorf("%s has no GetPjrtApi, so it is no PJRT plugin", filepath.Base(name))
}
