package wire

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Protocol is the number of the protocol. Raise it when a header or the meaning of a
// body changes; paths and the shape of the bodies are in the fingerprint, which looks
// after itself.
const Protocol = 1

// ProtocolID returns "<Protocol>.<fingerprint>". Two programs understand each
// other if theirs are equal. The fingerprint is a hash of [Shape]: cells are compiled
// from the sources as they are now, an engine from the sources as they were when it was
// built, and no build number tells them apart because GoNB's cells have none.
var ProtocolID = sync.OnceValue(func() string {
	h := sha256.New()
	shape := Shape()
	for _, name := range slices.Sorted(maps.Keys(shape)) {
		fmt.Fprintf(h, "%s: %s\n", name, shape[name])
	}
	return fmt.Sprintf("%d.%x", Protocol, h.Sum(nil)[:4])
})

// Shape describes all that crosses the socket: each call with its body and reply, and
// each field of each noun that they reach, such as "rlhf.PPO.KLCoef" with its type and
// its name in JSON.
var Shape = sync.OnceValue(func() map[string]string {
	shape := map[string]string{}
	for _, r := range Routes() {
		shape[r.Pattern] = fmt.Sprintf("%T → %T", r.Body, r.Reply)
		for _, v := range []any{r.Body, r.Reply} {
			if v != nil {
				describe(shape, reflect.TypeOf(v))
			}
		}
	}
	describe(shape, reflect.TypeFor[Error]()) // the reply of any call
	return shape
})

// describe adds the nouns that a type reaches.
func describe(shape map[string]string, t reflect.Type) {
	name := t.String()
	if _, known := shape[name]; known {
		return
	}
	if t.Name() != "" && t.PkgPath() != "" {
		shape[name] = t.Kind().String()
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		describe(shape, t.Elem())
	case reflect.Map:
		describe(shape, t.Key())
		describe(shape, t.Elem())
	case reflect.Struct:
		if t.PkgPath() == "time" {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			shape[name+"."+f.Name] = strings.TrimSpace(f.Type.String() + " " + f.Tag.Get("json"))
			describe(shape, f.Type)
		}
	}
}

// An End is one of the two programs that speak over a socket. Shape is nil where it is
// not known.
type End struct {
	ID, Version string
	Shape       map[string]string
}

// Here is this program's end.
func Here() End { return End{ProtocolID(), Version(), Shape()} }

// CheckProtocol compares the protocol of an engine with that of its client. The
// error says which of them is the older one, in what they differ as far as that is
// known, and what to do.
func CheckProtocol(engine, client End) error {
	if engine.ID == client.ID {
		return nil
	}
	number := func(id string) int {
		n, _, _ := strings.Cut(id, ".")
		i, _ := strconv.Atoi(n)
		return i
	}
	onlyEngine, onlyClient, differ := compare(engine.Shape, client.Shape)
	older := number(engine.ID) > number(client.ID)
	if number(engine.ID) == number(client.ID) {
		// Programs gain fields and calls. Where that tells nothing the cell is the newer
		// one: it was compiled a moment ago.
		older = len(onlyEngine) > 0 && len(onlyClient) == 0
	}
	var details []string
	for _, d := range []struct {
		what  string
		names []string
	}{{"only the engine has", onlyEngine}, {"only the cell has", onlyClient}, {"different at the two:", differ}} {
		if len(d.names) > 0 {
			details = append(details, d.what+" "+some(d.names))
		}
	}
	in := ""
	if len(details) > 0 {
		in = "; " + strings.Join(details, "; ")
	}
	if older {
		return &Error{Kind: KindProtocol, Message: fmt.Sprintf(
			"this cell is older than the engine (protocol %s, engine %s built from %s%s): restart the kernel and run the notebook from the top, or, if the engine runs elsewhere, bring the sources here up to the same version",
			client.ID, engine.ID, engine.Version, in)}
	}
	return &Error{Kind: KindProtocol, Message: fmt.Sprintf(
		"the engine is older than this cell (protocol %s, built from %s; cell %s%s): the sources have changed since it was built. Restart the kernel that started it: that builds and starts a new engine, and runs continue from disk; one that runs elsewhere needs the same sources as here",
		engine.ID, engine.Version, client.ID, in)}
}

// compare lists what only one of two shapes has, and what both have in different
// form, all sorted. Of a noun that is missing as a whole only itself is named.
func compare(engine, client map[string]string) (onlyEngine, onlyClient, differ []string) {
	if engine == nil || client == nil {
		return nil, nil, nil
	}
	without := func(a, b map[string]string) (only []string) {
		for name := range a {
			if _, both := b[name]; both {
				continue
			}
			if dot := strings.LastIndexByte(name, '.'); dot > 0 && a[name[:dot]] != "" && b[name[:dot]] == "" {
				continue // a field of a noun that the other does not have
			}
			only = append(only, name)
		}
		slices.Sort(only)
		return only
	}
	for name, is := range engine {
		if other, both := client[name]; both && other != is {
			differ = append(differ, fmt.Sprintf("%s (engine %s, cell %s)", name, is, other))
		}
	}
	slices.Sort(differ)
	return without(engine, client), without(client, engine), differ
}

// some lists the first few names.
func some(names []string) string {
	const most = 4
	text := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
