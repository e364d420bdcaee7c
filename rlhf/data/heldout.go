package data

import (
	"fmt"
	"math"
)

// Plain text is split by windows: of every group of 1/HeldOut neighbouring
// windows, one is held out, which a hash of the seed and the group decides. So the
// fraction is exact, and the i-th window of either part is found without a table.
// JSON lines are split by documents: a hash of the seed and the text, or of the
// first Human turn, as [Split] does.

// group is the number of windows in a group; one of them is held out.
func (t *Text) group() int {
	if t.heldOut == 0 || t.lines {
		return 0
	}
	return min(t.windows, int(math.Round(1/t.heldOut)))
}

// heldIn is which window of group g is held out; a last, smaller group may have none.
func (t *Text) heldIn(g int) int {
	return g*t.group() + int(mix64(t.seed+mix64(uint64(g)))%uint64(t.group()))
}

// split counts the windows of both parts.
func (t *Text) split() (train, held int) {
	n := t.group()
	if n == 0 {
		return t.windows, 0
	}
	groups := (t.windows + n - 1) / n
	held = groups
	if t.heldIn(groups-1) >= t.windows {
		held--
	}
	return t.windows - held, held
}

// Windows is the number of windows to train on.
func (t *Text) Windows() int {
	train, _ := t.split()
	return train
}

// Window returns the documents of training window i, in [0, Windows()), in their
// order. Lines at fault are left out and stand in the Report; a window may be
// without any document.
func (t *Text) Window(i int) ([]Document, error) {
	if i < 0 || i >= t.Windows() {
		return nil, fmt.Errorf("data: window %d, want one in [0, %d)", i, t.Windows())
	}
	w := i
	if n := t.group(); n > 0 {
		g := i / (n - 1)
		if w = g*n + i%(n-1); w >= t.heldIn(g) {
			w++
		}
	}
	docs, err := t.open(w)
	return t.side(docs, false), err
}

// HeldOut returns documents that no training window contains, about bytes bytes
// of them (all if bytes is 0), from places spread over the corpus.
func (t *Text) HeldOut(bytes int) ([]Document, error) {
	_, n := t.split()
	if t.lines && t.heldOut > 0 {
		n = t.windows
	}
	if n == 0 {
		return nil, fmt.Errorf("data: nothing is held out of %s; set TextOptions.HeldOut", t.files[0].path)
	}
	var out []Document
	size := 0
	for i := range n {
		w := Permute(i, n, t.seed)
		if t.group() > 0 {
			w = t.heldIn(w)
		}
		docs, err := t.open(w)
		if err != nil {
			return nil, err
		}
		for _, d := range t.side(docs, true) {
			out = append(out, d)
			if size += len(d.Prompt) + len(d.Response); bytes > 0 && size >= bytes {
				return out, nil
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("data: HeldOut = %v leaves no document of %s out; the corpus is too small for it", t.heldOut, t.files[0].path)
	}
	return out, nil
}

func (t *Text) open(w int) ([]Document, error) {
	f, text, after, at, err := t.read(w)
	if err != nil {
		return nil, err
	}
	return t.documents(f, w, text, after, at), nil
}

// side keeps the documents of JSON lines that stand on one side.
func (t *Text) side(docs []Document, held bool) []Document {
	if !t.lines || t.heldOut == 0 {
		return docs
	}
	var out []Document
	for _, d := range docs {
		if (side(d.identity(), t.seed) < t.heldOut) == held {
			out = append(out, d)
		}
	}
	return out
}
