package wire

import (
	"crypto/sha256"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"hhrlhf/rlhf"
)

// Protocol is the number of the protocol. Raise it when a path, a header or the
// meaning of a body changes; the shape of the bodies is in the fingerprint and
// looks after itself.
const Protocol = 1

// ProtocolID returns "<Protocol>.<fingerprint>". Two programs understand each
// other if theirs are equal. The fingerprint is a hash of the names, tags and
// types of every field that crosses the socket: cells are compiled from the
// sources as they are now, an engine from the sources as they were when it was
// built, and no build number tells them apart because GoNB's cells have none.
var ProtocolID = sync.OnceValue(func() string {
	return fmt.Sprintf("%d.%s", Protocol, fingerprint(
		rlhf.LM{}, rlhf.Distill{}, rlhf.PM{}, rlhf.PPO{}, rlhf.Batch{}, rlhf.RunInfo{}, rlhf.Event{}, rlhf.Status{},
		rlhf.LMEval{}, rlhf.Token{}, rlhf.PMEval{}, rlhf.BeforeAfter{}, rlhf.Comparison{}, rlhf.Sampling{},
		Error{}, Steps{}, Sample{}, Score{}, Count{}, Text{}, Chat{}, Corpus{}, Line{}, Call{},
	))
})

// CheckProtocol compares the protocol of an engine with that of its client. The
// error says which of them is the older one and what to do.
func CheckProtocol(engine, engineVersion, client string) error {
	if engine == client {
		return nil
	}
	number := func(id string) int {
		n, _, _ := strings.Cut(id, ".")
		i, _ := strconv.Atoi(n)
		return i
	}
	// Where only the fingerprints differ, the cell is the newer one: it was
	// compiled a moment ago.
	if number(engine) > number(client) {
		return &Error{Kind: KindProtocol, Message: fmt.Sprintf(
			"this cell is older than the engine (protocol %s, engine %s built from %s): restart the kernel and run the notebook from the top, or, if the engine runs elsewhere, bring the sources here up to the same version",
			client, engine, engineVersion)}
	}
	return &Error{Kind: KindProtocol, Message: fmt.Sprintf(
		"the engine is older than this cell (protocol %s, built from %s; cell %s): the sources have changed since it was built. Restart the kernel: that builds and starts a new engine, and runs continue from disk",
		engine, engineVersion, client)}
}

// fingerprint hashes the structure of the given values' types.
func fingerprint(values ...any) string {
	h := sha256.New()
	seen := map[reflect.Type]bool{}
	for _, v := range values {
		describe(h, reflect.TypeOf(v), seen)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:4])
}

func describe(w io.Writer, t reflect.Type, seen map[reflect.Type]bool) {
	fmt.Fprintf(w, "%s %s(", t.Kind(), t.Name())
	defer io.WriteString(w, ")")
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		describe(w, t.Elem(), seen)
	case reflect.Map:
		describe(w, t.Key(), seen)
		describe(w, t.Elem(), seen)
	case reflect.Struct:
		if seen[t] || t.PkgPath() == "time" {
			return
		}
		seen[t] = true
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(w, "%s %q ", f.Name, f.Tag.Get("json"))
			describe(w, f.Type, seen)
		}
	}
}
