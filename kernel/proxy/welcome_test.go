package proxy

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// TestSubscriptions reads one stream of frames cut at every place.
func TestSubscriptions(t *testing.T) {
	long := append([]byte{2}, binary.BigEndian.AppendUint64(nil, 1000)...)
	stream := slices.Concat(make([]byte, greeting), []byte{4, 3, 1, 'n', 'o'}, []byte{0, 1, 1}, []byte{0, 3, 1, 'a', 'b'}, []byte{0, 2, 0, 'a'}, []byte{0, 0},
		long, append([]byte{1}, bytes.Repeat([]byte{'x'}, 999)...), []byte{0, 2, 1, 'z'})
	want := []string{"", "ab", string(bytes.Repeat([]byte{'x'}, maxTopic-1)), "z"}
	for _, size := range []int{1, 2, 3, 7, 64, 65, 500, len(stream)} {
		var got []string
		s := subscriptions{tell: func(topic string) { got = append(got, topic) }, skip: greeting}
		for b := range slices.Chunk(stream, size) {
			s.hear(b)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, want %q", size, got, want)
		}
	}
	// Whatever a peer sends, no more than a topic is kept.
	s := subscriptions{tell: func(string) {}}
	s.hear(slices.Concat([]byte{2}, bytes.Repeat([]byte{0xff}, 8), make([]byte, 1<<20)))
	if cap(s.body) > 4*maxTopic {
		t.Errorf("%d bytes kept", cap(s.body))
	}
}
