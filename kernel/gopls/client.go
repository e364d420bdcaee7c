package gopls

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"
)

// A Client is a session with a gopls. Its methods may be called from one
// goroutine at a time.
type Client struct {
	folder string
	conn   *jsonrpc2.Conn
	files  map[string]string // by name: the text that gopls knows
	edits  int
}

// Dial connects to the gopls that listens on the unix socket and opens the
// folder of a Go package, which holds the go.mod that imports are resolved by.
func Dial(ctx context.Context, socket, folder string) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("gopls: %w", err)
	}
	// The connection outlives ctx, which is the greeting's.
	conn := jsonrpc2.NewConn(context.WithoutCancel(ctx), jsonrpc2.NewBufferedStream(nc, jsonrpc2.VSCodeObjectCodec{}),
		jsonrpc2.HandlerWithError(acknowledge).SuppressErrClosed(), jsonrpc2.SetLogger(quiet{}))
	c := &Client{folder: folder, conn: conn, files: map[string]string{}}
	var ignored json.RawMessage
	if err := conn.Call(ctx, "initialize", greeting(folder), &ignored); err != nil {
		conn.Close()
		return nil, fmt.Errorf("gopls: initialize: %w", err)
	}
	if err := conn.Notify(ctx, "initialized", struct{}{}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("gopls: initialized: %w", err)
	}
	return c, nil
}

// greeting is the content of the initialize request.
func greeting(folder string) any {
	type object = map[string]any
	return object{
		"processId": nil, "rootUri": uri(folder),
		"workspaceFolders": []object{{"uri": uri(folder), "name": filepath.Base(folder)}},
		"capabilities": object{"textDocument": object{
			"hover":         object{"contentFormat": []string{"markdown"}},
			"signatureHelp": object{"signatureInformation": object{"documentationFormat": []string{"markdown"}}},
		}},
		"initializationOptions": object{
			"matcher":                 "CaseInsensitive", // front-ends filter by prefix too
			"expandWorkspaceToModule": false,             // the cell's package, not all of the repository
			"diagnosticsTrigger":      "Save",            // nobody reads them
			"linksInHover":            false,
			"hoverKind":               "FullDocumentation",
			"semanticTokens":          false,
		},
	}
}

// acknowledge answers what the server asks of an editor, and drops its messages.
func acknowledge(context.Context, *jsonrpc2.Conn, *jsonrpc2.Request) (any, error) { return nil, nil }

// quiet drops what the connection would log.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.conn.DisconnectNotify() }

// Close ends the session.
func (c *Client) Close() { c.conn.Close() }

func uri(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

func (c *Client) uri(name string) string { return uri(filepath.Join(c.folder, name)) }

// Set makes files, by name, the texts of the folder's files, whatever is on disk.
func (c *Client) Set(ctx context.Context, files map[string]string) error {
	for name, text := range files {
		old, open := c.files[name]
		if open && old == text {
			continue
		}
		c.edits++
		method, params := "textDocument/didOpen", map[string]any{"textDocument": map[string]any{
			"uri": c.uri(name), "languageId": "go", "version": c.edits, "text": text}}
		if open {
			method, params = "textDocument/didChange", map[string]any{
				"textDocument":   map[string]any{"uri": c.uri(name), "version": c.edits},
				"contentChanges": []map[string]any{{"text": text}}}
		}
		if err := c.conn.Notify(ctx, method, params); err != nil {
			return fmt.Errorf("gopls: %s: %w", name, err)
		}
		c.files[name] = text
	}
	return nil
}

// An Item is something that could stand at the cursor.
type Item struct {
	Text   string // that takes the place of Range
	Range  Range
	Kind   string // as JupyterLab names kinds: function, type, module, ...
	Detail string // a signature or a type
}

// completion is the protocol's CompletionItem.
type completion struct {
	Detail, SortText string
	Kind             int
	TextEdit         struct {
		Range   Range
		NewText string
	}
}

// Complete returns what could stand at a position of a file, the best first.
func (c *Client) Complete(ctx context.Context, name string, at Position) ([]Item, error) {
	var list struct{ Items []completion }
	if err := c.conn.Call(ctx, "textDocument/completion", c.place(name, at), &list); err != nil {
		return nil, fmt.Errorf("gopls: completion: %w", err)
	}
	slices.SortStableFunc(list.Items, func(a, b completion) int { return strings.Compare(a.SortText, b.SortText) })
	items := make([]Item, 0, len(list.Items))
	for _, it := range list.Items {
		items = append(items, Item{Text: it.TextEdit.NewText, Range: it.TextEdit.Range, Kind: kinds[it.Kind], Detail: it.Detail})
	}
	return items, nil
}

// kinds are the protocol's CompletionItemKinds in JupyterLab's words.
var kinds = map[int]string{2: "method", 3: "function", 5: "field", 6: "variable", 7: "type", 8: "interface",
	9: "module", 10: "property", 14: "keyword", 21: "constant", 22: "type", 25: "type"}

// Hover returns what gopls says of the name at a position, as Markdown; empty if
// there is none.
func (c *Client) Hover(ctx context.Context, name string, at Position) (string, error) {
	var hover *struct{ Contents struct{ Value string } }
	if err := c.conn.Call(ctx, "textDocument/hover", c.place(name, at), &hover); err != nil {
		return "", fmt.Errorf("gopls: hover: %w", err)
	}
	if hover == nil {
		return "", nil
	}
	return hover.Contents.Value, nil
}

func (c *Client) place(name string, at Position) map[string]any {
	return map[string]any{"textDocument": map[string]any{"uri": c.uri(name)}, "position": at}
}
