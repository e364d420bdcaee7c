package local

import (
	"runtime/debug"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/memory"
)

// DefaultKeep is how many bytes of models that nobody uses stay on a device whose free
// memory is not known.
const DefaultKeep = 4_000_000_000

// RunBytes is what a loaded run counts beside its tensors: compiled programs and its
// text. Measured of the smallest runs on the CPU.
const RunBytes = 9_000_000

// keep is Options.Keep, or what stands for 0.
func (o Options) keep() int64 {
	if o.Keep != 0 {
		return o.Keep
	}
	if free, known := o.free(); known {
		return free / 2
	}
	return DefaultKeep
}

// free is the memory that models may still take. What a device of its own has free is not known.
func (o Options) free() (bytes int64, known bool) {
	if !strings.Contains(o.Backend, "cpu") && o.Backend != "go" {
		return 0, false
	}
	return memory.Free("/")
}

// makeRoom is called with the device, before anything is used of it, for the run of that
// name. Of the other runs, those that have been used longest ago are put away until
// the rest holds no more than is kept, and until there is memory for this run if it
// is not loaded and known to need much. A run that is put away is on disk, and the next call
// that uses it goes on with it bit for bit. One whose last steps found no room there stays.
func (l *Lab) makeRoom(name string) {
	l.mu.Lock()
	models := slices.Clone(l.models)
	l.mu.Unlock()
	others := slices.DeleteFunc(models, func(m rlhf.Loaded) bool { return m.Name == name })
	var needs, held int64
	if len(others) == len(models) {
		if f, err := l.factsOf(name); err == nil { // else whoever loads it says so
			needs = f.Memory.Peak()
		}
	}
	for _, m := range others {
		held += m.Bytes + RunBytes
	}
	for i := 0; (held > l.kept || l.opt.short(needs)) && i < len(others); i++ {
		m := others[i]
		if r, ok := l.loaded[m.Name].(*loadedRun); ok && (len(r.pending) > 0 || r.saved != r.done()) {
			continue
		}
		l.unload(m.Name)
		held -= m.Bytes + RunBytes
	}
}

// short is whether so much memory is not to be had, even after giving back what Go and the
// C library keep of memory that nothing uses.
func (o Options) short(needs int64) bool {
	if needs == 0 { // every call of a loaded run asks
		return false
	}
	for range 2 {
		if free, known := o.free(); !known || needs <= free {
			return false
		}
		debug.FreeOSMemory()
		gx.Trim()
	}
	return true
}

// used notes that a loaded run or model is used: the last of models has been used last.
func (l *Lab) used(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.models, func(m rlhf.Loaded) bool { return m.Name == name }); i >= 0 {
		m := l.models[i]
		l.models = append(slices.Delete(l.models, i, i+1), m)
	}
}
