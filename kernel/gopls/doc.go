// Package gopls asks the Go language server about code that is on no disk: what
// could stand at a cursor, and what the name there means.
//
//	c, err := gopls.Dial(ctx, socket, folder)
//	c.Set(ctx, map[string]string{"main.go": text})
//	items, err := c.Complete(ctx, "main.go", gopls.Position{Line: 3, Character: 8})
//
// A [Client] is one session with a server that listens on a unix socket, as
// "gopls -listen" does; other sessions with the same server, gonb's for one,
// see nothing of its files. The protocol is the Language Server Protocol 3.17,
// of which the few messages needed are spelled out here.
//
// # Positions
//
// A [Position] counts lines from 0 and UTF-16 code units in the line, as the
// protocol does. Jupyter counts Unicode code points in the whole text: [At] and
// [Point] convert.
package gopls
