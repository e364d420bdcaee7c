package proxy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/proxy"
)

// The signature was computed with Python's hmac and hashlib.
func TestParse(t *testing.T) {
	const key = proxy.Key("a0436f6c-1916-498b-8eb9-e81ab9368e84")
	frames := func(change func([][]byte)) [][]byte {
		f := [][]byte{[]byte("id"), []byte("<IDS|MSG>"), nil,
			[]byte(`{"msg_id":"1","msg_type":"execute_request","session":"s"}`), []byte(`{}`), []byte(`{}`), []byte(`{"code":"1"}`), {0xff}}
		f[2] = []byte("606860311d9979219ea9f0dda8c480439cba3c3dd4fdc664b9377a864be168a6")
		if change != nil {
			change(f)
		}
		return f
	}
	good := frames(nil)
	m, err := key.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(good, m.Frames()); diff != "" {
		t.Errorf("not byte for byte (-want +got):\n%s", diff)
	}
	if m.Header.Type != "execute_request" || m.Header.ID != "1" || string(m.Content) != `{"code":"1"}` {
		t.Errorf("got %+v", m)
	}
	for name, c := range map[string]struct {
		frames [][]byte
		want   string
	}{
		"content changed":   {frames(func(f [][]byte) { f[6] = []byte(`{"code":"2"}`) }), "signature does not match"},
		"signature changed": {frames(func(f [][]byte) { f[2] = append([]byte("0"), f[2][1:]...) }), "signature does not match"},
		"no signature":      {frames(func(f [][]byte) { f[2] = nil }), "signature does not match"},
		"no delimiter":      {frames(func(f [][]byte) { f[1] = []byte("IDS") }), "has no <IDS|MSG>"},
		"too short":         {good[:5], "want 5 or more"},
		"empty":             {nil, "has no <IDS|MSG>"},
	} {
		if _, err := key.Parse(c.frames); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := key.Parse(frames(func(f [][]byte) { f[2] = nil })); !errors.Is(err, proxy.ErrSignature) {
		t.Errorf("error %v, want ErrSignature", err)
	}
	// Without a key nothing is signed, and still every dictionary must be one.
	for i, name := range []string{"header", "parent_header", "metadata", "content"} {
		for _, bad := range []string{"", "[]", "null", "{", `"x"`} {
			_, err := proxy.Key("").Parse(frames(func(f [][]byte) { f[3+i] = []byte(bad) }))
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s = %q: error %v", name, bad, err)
			}
		}
	}
}

func TestSetContent(t *testing.T) {
	const key = proxy.Key("k")
	parent, err := key.New("s", "execute_request", nil, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := key.New("s", "execute_reply", parent, map[string]any{"status": "ok"})
	if err != nil {
		t.Fatal(err)
	}
	before := m.Frames()
	kept := fmt.Sprintf("%q", before)
	if err := key.SetContent(m, map[string]any{"status": "error"}); err != nil {
		t.Fatal(err)
	}
	got, err := key.Parse(m.Frames())
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Content) != `{"status":"error"}` || got.Parent.ID != parent.Header.ID {
		t.Errorf("got %+v", got)
	}
	if fmt.Sprintf("%q", before) != kept {
		t.Error("SetContent wrote into frames that were already handed out")
	}
}

// FuzzParse checks that no frames panic and that what parses is forwarded as it came.
func FuzzParse(f *testing.F) {
	m, err := proxy.Key("k").New("s", "execute_request", nil, map[string]any{"code": "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Join(m.Frames(), []byte("\n")))
	f.Add([]byte("a\n<IDS|MSG>\n\n{\"msg_id\":\"1\",\"msg_type\":\"t\"}\n{}\n{}\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames := bytes.Split(b, []byte("\n"))
		for _, key := range []proxy.Key{"", "k"} {
			m, err := key.Parse(frames)
			if err != nil {
				continue
			}
			if diff := cmp.Diff(frames, m.Frames()); diff != "" {
				t.Errorf("key %q: not byte for byte (-want +got):\n%s", key, diff)
			}
			if !json.Valid(m.Content) {
				t.Errorf("content %q", m.Content)
			}
		}
	})
}

func ExampleKey_New() {
	key := proxy.Key("secret")
	request, _ := key.New("front-end", "is_complete_request", nil, map[string]any{"code": "x := ("})
	received, err := key.Parse(request.Frames())
	fmt.Println(received.Header.Type, string(received.Content), err)
	_, err = proxy.Key("another").Parse(request.Frames())
	fmt.Println(err)
	// Output:
	// is_complete_request {"code":"x := ("} <nil>
	// proxy: signature does not match the connection's key
}
