package hub

import (
	"fmt"
	"io"
	"sync"
	"time"

	"hhrlhf/rlhf/internal/disk"

	huggingface "github.com/gomlx/go-huggingface/hub"
)

// meterEvery is how often a fetch says how far it is.
const meterEvery = 3 * time.Second

// A meter prints what a fetch does. The library that fetches tells nothing while
// a file arrives, so the meter watches the cache grow.
type meter struct {
	w       io.Writer
	cache   string
	names   []string
	listed  map[string]*huggingface.FileInfo
	done    chan struct{}
	stopped sync.WaitGroup

	mu      sync.Mutex
	at      int       // the file that is being fetched
	before  int64     // bytes of the files before it
	base    int64     // size of the cache when it began
	fetched int64     // bytes that arrived in this call before it
	start   time.Time // of this call
}

// newMeter starts a meter that prints to w, or to nowhere if w is nil. Call stop.
func newMeter(w io.Writer, cache string, names []string, listed map[string]*huggingface.FileInfo) *meter {
	m := &meter{w: w, cache: cache, names: names, listed: listed, done: make(chan struct{}), start: time.Now(), at: -1}
	if w == nil {
		return m
	}
	m.stopped.Go(func() {
		tick := time.NewTicker(meterEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintln(w, m.line())
			case <-m.done:
				return
			}
		}
	})
	return m
}

func (m *meter) stop() {
	close(m.done)
	m.stopped.Wait()
}

// file says that file i is next.
func (m *meter) file(i int) {
	if m.w == nil {
		return
	}
	size := disk.Size(m.cache)
	m.mu.Lock()
	if m.at >= 0 {
		m.before += m.listed[m.names[m.at]].Size
		m.fetched += size - m.base
	}
	m.at, m.base = i, size
	m.mu.Unlock()
	fmt.Fprintf(m.w, "fetching %s (%s), file %d of %d\n", m.names[i], megabytes(m.listed[m.names[i]].Size), i+1, len(m.names))
}

func (m *meter) line() string {
	size := disk.Size(m.cache)
	m.mu.Lock()
	defer m.mu.Unlock()
	total := int64(0)
	for _, name := range m.names {
		total += m.listed[name].Size
	}
	now := m.fetched + size - m.base // in this call
	have := m.before + size - m.base
	text := fmt.Sprintf("fetched %s of %s", megabytes(have), megabytes(total))
	if now > 0 && have < total {
		left := time.Duration(float64(time.Since(m.start)) * float64(total-have) / float64(now))
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
