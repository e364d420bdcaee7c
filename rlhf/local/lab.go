package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
	"hhrlhf/rlhf/watch"
)

// Options say where a lab keeps its runs and what it computes on.
type Options struct {
	// Dir is the directory of the runs; it is made if missing.
	Dir string
	// Backend names the backend as GOMLX_BACKEND does, such as "xla:cpu".
	Backend string
	// Datasets maps a data name such as "hh-rlhf" to a local folder or file; nil
	// or "" means there is none, and the error of whoever asks says so.
	Datasets func(name string) (path string, err error)
	// Models maps the name of a pretrained model, such as "smollm2", to the local
	// folder or file of its checkpoint; nil or "" means that the name is a path.
	Models func(name string) (path string, err error)
	// Own are algorithms beside the library's.
	Own Own
	// Keep is how many bytes of models may stay loaded that nobody uses, their tensors and
	// RunBytes each; those used longest ago are put away and loaded again when they are
	// needed. 0 is half of what is free when the lab opens, or DefaultKeep where that is
	// not known; negative keeps none.
	Keep int64
}

// Open opens the lab. It starts the backend, which it keeps until the process ends.
func Open(o Options) (*Lab, error) {
	store, err := run.OpenStore(o.Dir)
	if err != nil {
		return nil, err
	}
	be, err := gx.Open(o.Backend)
	if err != nil {
		return nil, err
	}
	h := &host{opt: o, store: store, be: be, device: make(chan struct{}, 1), started: time.Now(), kept: o.keep(),
		loaded: map[string]closer{}, programs: map[programsKey]*pm.Programs{}, policies: map[ppo.Key]*ppo.Programs{}, asking: map[lm.Shape]*askPrograms{}}
	return &Lab{host: h, ctx: context.Background()}, nil
}

// A Lab is rlhf.Lab in this process. Copies made by With share everything but
// their context.
type Lab struct {
	*host
	ctx context.Context
}

var _ rlhf.Lab = (*Lab)(nil)

// host is what all copies of a lab share.
type host struct {
	opt     Options
	store   *run.Store
	be      compute.Backend
	device  chan struct{} // holds one token while a call uses the device
	started time.Time
	kept    int64 // bytes of models that may stay loaded

	mu     sync.Mutex
	busy   string
	job    *rlhf.Job         // that has the device
	line   []*rlhf.Job       // those that wait for it
	loaded map[string]closer // by run, or checkpoint; touched only under the device token
	models []rlhf.Loaded     // what is in loaded, for Status; the one used last at the end

	watch watch.Hub

	programs map[programsKey]*pm.Programs
	policies map[ppo.Key]*ppo.Programs
	asking   map[lm.Shape]*askPrograms
}

// With implements rlhf.Lab.
func (l *Lab) With(ctx context.Context) rlhf.Lab { return l.with(ctx) }

func (l *Lab) with(ctx context.Context) *Lab { return &Lab{host: l.host, ctx: ctx} }

// acquire takes the device for doing what with a run or a model, which may be "";
// the returned function gives it back. It waits in order of arrival, for as long as
// the lab's context lasts.
func (l *Lab) acquire(what, name string) (release func(), err error) {
	job := &rlhf.Job{Run: name, What: what, Since: time.Now()}
	what = strings.TrimSpace(what + " " + name)
	l.mu.Lock()
	l.line = append(l.line, job)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.line = slices.DeleteFunc(l.line, func(o *rlhf.Job) bool { return o == job })
		if err == nil {
			job.Since = time.Now()
			l.job = job
		}
	}()
	if err := l.ctx.Err(); err != nil { // select would take a free device all the same
		return nil, fmt.Errorf("local: %s: %w", what, err)
	}
	select {
	case l.device <- struct{}{}:
	case <-l.ctx.Done():
		return nil, fmt.Errorf("local: %s: waiting for the device: %w", what, l.ctx.Err())
	}
	l.say(what)
	return func() {
		l.mu.Lock()
		l.busy, l.job = "", nil
		l.mu.Unlock()
		<-l.device
	}, nil
}

// progress notes how far the job on the device is.
func (h *host) progress(step, of int, left time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.job != nil {
		h.job.Step, h.job.Of, h.job.Left = step, of, left
	}
}

func (h *host) say(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = what
}

// Close waits for the call that uses the device, writes nothing, and gives back
// the memory and the locks of all loaded runs. The lab can go on being used.
func (l *Lab) Close() error {
	release, err := l.acquire("closing", "")
	if err != nil {
		return err
	}
	defer release()
	for _, name := range slices.Sorted(maps.Keys(l.loaded)) {
		l.unload(name)
	}
	return nil
}

// Runs implements rlhf.Lab.
func (l *Lab) Runs() ([]rlhf.RunInfo, error) {
	ms, err := l.store.List()
	if err != nil {
		return nil, err
	}
	var infos []rlhf.RunInfo
	for _, m := range ms {
		info, err := l.info(m.Name)
		if errors.Is(err, run.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// info reads a run from disk.
func (l *Lab) info(name string) (rlhf.RunInfo, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return rlhf.RunInfo{}, err
	}
	defer r.Close()
	m := r.Manifest()
	newest, _, err := r.Newest()
	if err != nil {
		return rlhf.RunInfo{}, err
	}
	info := rlhf.RunInfo{Name: m.Name, Kind: m.Kind, Dir: r.Dir(), Created: m.Created, Backend: m.Backend, Config: m.Config}
	info.Step = newest.Step
	for _, d := range m.Data {
		info.Data = append(info.Data, rlhf.DataInfo{Name: d.Name, Rows: d.Rows, SHA256: d.SHA256, Read: d.Read, Odd: d.Odd})
	}
	f, err := l.factsOf(name)
	if err != nil {
		return info, err
	}
	info.Planned, info.Params, info.Notes, info.Memory = f.Planned, f.Params, f.Notes, f.Memory
	if f.Shape != (lm.Shape{}) {
		info.NonEmbedding = f.Shape.NonEmbedding()
		if m.Kind != "pm" {
			info.Params = f.Shape.Params()
		}
	}
	return info, nil
}

// facts are what a run knows of itself beyond its configuration.
type facts struct {
	Planned int         `json:"planned"`
	Params  int64       `json:"params"`
	Notes   []string    `json:"notes,omitempty"`
	Memory  memory.Plan `json:"memory,omitempty"` // of PPO
	// Of preference models with a frozen trunk alone: the SHA-256 of the trunk's
	// weights, and the name of the file of its activations.
	Trunk       string `json:"trunk,omitempty"`
	Activations string `json:"activations,omitempty"`
	// Of language models, and the shape of preference models too:
	Shape    lm.Shape           `json:"shape,omitzero"`
	Context  int                `json:"context,omitempty"` // tokens of a training row
	Template tokenizer.Template `json:"template,omitzero"` // of a chat
	// Of snapshots alone:
	Snapshot *origin `json:"snapshot,omitempty"`
}

const factsFile = "facts.json"

func (l *Lab) factsOf(name string) (f facts, err error) {
	r, err := l.store.Open(name)
	if err != nil {
		return f, err
	}
	defer r.Close()
	return f, readJSON(filepath.Join(r.Dir(), factsFile), &f)
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("local: %s: %w", path, err)
	}
	return nil
}

// Remove implements rlhf.Lab.
func (l *Lab) Remove(name string) error {
	release, err := l.acquire("removing", name)
	if err != nil {
		return err
	}
	defer release()
	l.unload(name)
	if err := l.store.Remove(name); err != nil {
		return err
	}
	l.watch.Forget(name)
	return l.sweepFeatures()
}

// History implements rlhf.Lab.
func (l *Lab) History(name string) ([]rlhf.Point, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Metrics()
}

// Written implements rlhf.Lab.
func (l *Lab) Written(name string, last int) ([]rlhf.Sample, error) {
	if last < 0 {
		return nil, fmt.Errorf("local: Written: last = %d, want 0 (all) or more", last)
	}
	r, err := l.store.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []rlhf.Sample
	err = r.Samples(func(step int, raw json.RawMessage) error {
		var s rlhf.Sample
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("local: a sample of step %d of %q: %w", step, name, err)
		}
		s.Step = step // runs of earlier versions have it in the line alone
		out = append(out, s)
		return nil
	})
	if last > 0 && len(out) > last {
		out = slices.Clone(out[len(out)-last:])
	}
	return out, err
}

// closer is a loaded run, or model, that can give its memory back.
type closer interface {
	close()
	tensors() []*tensors.Tensor // what it holds on the device
}

func (l *Lab) unload(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.loaded[name]; ok {
		c.close()
	}
	delete(l.loaded, name)
	l.models = slices.DeleteFunc(l.models, func(m rlhf.Loaded) bool { return m.Name == name })
}

func (l *Lab) keep(name string, c closer) {
	m := rlhf.Loaded{Name: name}
	for _, t := range c.tensors() {
		m.Bytes += int64(t.Memory())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded[name] = c
	l.models = append(l.models, m)
}

// maker makes the run that a configuration describes: its data, its manifest's
// fields, what to put into its directory before the first step.
type maker func(m *run.Manifest, f *facts) (files func(dir string) error, err error)

// ensure creates the run of that name, or opens it if its configuration is the
// same. cfg is filled.
func (l *Lab) ensure(name, kind string, seed uint64, cfg any, mk maker) error {
	if err := run.CheckName(name); err != nil {
		return err
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	r, err := l.store.Open(name)
	if err == nil {
		defer r.Close()
		return sameConfig(r.Manifest(), kind, raw)
	}
	if !errors.Is(err, run.ErrNotFound) {
		return err
	}
	m := run.Manifest{Name: name, Kind: kind, Seed: run.Seed(seed), Config: raw, Backend: l.opt.Backend,
		Device: l.be.Description(), Template: tokenizer.TemplateHash()}
	var f facts
	files, err := mk(&m, &f)
	if err != nil {
		return err
	}
	// All at once: half a run would be found under this name next time.
	r, err = l.store.Create(m, func(dir string) error {
		if files != nil {
			if err := files(dir); err != nil {
				return err
			}
		}
		b, err := json.MarshalIndent(f, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, factsFile), append(b, '\n'), 0o600)
	})
	if err != nil {
		return fmt.Errorf("local: creating %s: %w", name, err)
	}
	return r.Close()
}

// sameConfig compares a run on disk with the configuration asked for.
func sameConfig(m run.Manifest, kind string, want json.RawMessage) error {
	if m.Kind != kind {
		return fmt.Errorf("local: run %q is of kind %q, not %q; take another name", m.Name, m.Kind, kind)
	}
	var a, b map[string]any
	if err := errors.Join(decodeNumbers(m.Config, &a), decodeNumbers(want, &b)); err != nil {
		return fmt.Errorf("local: configuration of %q: %w", m.Name, err)
	}
	var diff []string
	for k := range b {
		if !reflect.DeepEqual(a[k], b[k]) {
			diff = append(diff, fmt.Sprintf("%s is %v on disk, %v asked for", k, a[k], b[k]))
		}
	}
	if len(diff) == 0 {
		return nil
	}
	slices.Sort(diff)
	return fmt.Errorf("local: run %q exists with another configuration: %s; open it with the same one, take another name, or Remove it",
		m.Name, strings.Join(diff, "; "))
}

// decodeNumbers keeps integers exact, seeds above 2⁵³ too.
func decodeNumbers(raw json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// openKind opens a run that must exist and be of one kind, and decodes its configuration.
func (l *Lab) openKind(name, kind string, cfg any) (*run.Run, facts, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return nil, facts{}, err
	}
	m := r.Manifest()
	if m.Kind != kind {
		r.Close()
		return nil, facts{}, fmt.Errorf("local: run %q is of kind %q, want %q", name, m.Kind, kind)
	}
	var f facts
	if err := errors.Join(run.DecodeConfig(m.Config, cfg), readJSON(filepath.Join(r.Dir(), factsFile), &f)); err != nil {
		r.Close()
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; the run is not whole: Remove it, and make it anew", err)
		}
		return nil, facts{}, fmt.Errorf("local: run %q: %w", name, err)
	}
	return r, f, nil
}
