package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/pm"
)

// featuresDir holds what frozen trunks read, below the directory of the runs: one
// file for each trunk, context and data, which all runs on them share.
const featuresDir = ".activations"

// featuresKey names the activations of a run on a trunk and rows of those hashes.
func featuresKey(cfg rlhf.PM, trunk, rows string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s %d %s", trunk, cfg.Layers, cfg.Readout, cfg.Context, rows))
	return hex.EncodeToString(sum[:12])
}

// features returns what the trunk of m makes of the trial's comparisons, and reads
// what is not on disk yet. say hears how far it is.
func (l *Lab) features(m *pm.Model, t *trial, key string, say func(string)) (*pm.Features, error) {
	dir := filepath.Join(l.store.Dir(), featuresDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("local: the folder of activations: %w", err)
	}
	x, err := m.OpenFeatures(filepath.Join(dir, key), pm.InMemory(t.all))
	if err != nil {
		return nil, err
	}
	start, from := time.Now(), x.Done()
	var said time.Time
	for x.Done() < x.Len() {
		if err := l.ctx.Err(); err != nil {
			x.Close()
			return nil, fmt.Errorf("local: the trunk has read %d of %d pairs, which are kept: %w", x.Done(), x.Len(), err)
		}
		if now := time.Now(); now.Sub(said) > time.Second {
			said = now
			text := fmt.Sprintf("the trunk has read %d of %d pairs", x.Done(), x.Len())
			if n := x.Done() - from; n > 0 { // the longest come last
				text += fmt.Sprintf(", %v left or more", (now.Sub(start) / time.Duration(n) * time.Duration(x.Len()-x.Done())).Round(time.Second))
			}
			say(text)
		}
		if err := x.Read(x.Next()); err != nil {
			x.Close()
			return nil, err
		}
	}
	return x, nil
}

// sweepFeatures removes the activations that no run uses any more.
func (l *Lab) sweepFeatures() error {
	dir := filepath.Join(l.store.Dir(), featuresDir)
	files, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	runs, err := l.store.List()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, m := range runs {
		if f, err := l.factsOf(m.Name); err == nil && f.Activations != "" {
			used[f.Activations] = true
		}
	}
	for _, f := range files {
		if !used[f.Name()] {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return fmt.Errorf("local: %w", err)
			}
		}
	}
	return nil
}
