package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/engine/wire"
)

// peerKey is the key of a request's socket.Peer in its context.
type peerKey struct{}

// withPeer notes who is at the other end of a connection, nobody if that cannot be known.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	peer, err := socket.PeerOf(conn)
	if err != nil {
		peer = socket.Peer{UID: -1}
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// stranger returns an error if the caller is not this process's user. The socket's mode
// keeps others out already; this holds where somebody has widened it.
func stranger(r *http.Request) error {
	peer, ok := r.Context().Value(peerKey{}).(socket.Peer)
	if ok && peer.UID == os.Geteuid() {
		return nil
	}
	return &wire.Error{Kind: wire.KindForbidden, Message: fmt.Sprintf(
		"engine: it serves user %d only, and the caller is user %d: start an engine of your own", os.Geteuid(), peer.UID)}
}
