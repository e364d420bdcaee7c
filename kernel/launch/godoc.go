package launch

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// doc returns what Go's tool says of a package, by its path, or of names in one.
// The package is looked for first, and the tool run in its folder: by path it
// would read the whole module graph, over the network where that is not complete.
func (k *kernel) doc(ctx context.Context, subject ...string) (string, error) {
	path := subject[0]
	dir, err := k.goOutput(ctx, k.o.Repo, "list", "-f", "{{.Dir}}", path)
	if err != nil {
		return "", fmt.Errorf("%%doc: there is no package %s here: %w", path, err)
	}
	text, err := k.goOutput(ctx, strings.TrimSpace(dir), append([]string{"doc"}, subject[1:]...)...)
	if err != nil {
		return "", fmt.Errorf("%%doc %s: %w", strings.Join(subject, "."), err)
	}
	return strings.Replace(text, `// import "."`, fmt.Sprintf("// import %q", path), 1), nil
}

// goOutput runs the go tool; its error is what the tool said last.
func (k *kernel) goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.goTool, args...)
	cmd.Dir, cmd.Env = dir, k.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.Split(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(stderr.String()), "exit status 1")), "\n")
		if last := strings.TrimPrefix(said[len(said)-1], "doc: "); last != "" {
			return "", fmt.Errorf("%s", strings.Replace(last, " in package .", " in the package", 1))
		}
		return "", err
	}
	return string(out), nil
}
