package feedback_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Cells link this package: what it may come to link, directly or not, beside the standard
// library and ours. GoMLX would cost every cell seconds, net/http 0.3 s.
var allowed = []string{
	"github.com/agnivade/levenshtein",
	"github.com/janpfeifer/gonb/gonbui", // displays
	"github.com/janpfeifer/gonb/common", // of it
	"github.com/gofrs/flock",            // of rlhf/run
	"golang.org/x/sys/unix",             // the log's lock
	"gonum.org/v1/gonum",                // of rlhf/eval
	"k8s.io/klog/v2", "github.com/go-logr/logr", "github.com/pkg/errors", "github.com/gofrs/uuid", "golang.org/x/tools/container/intsets", "golang.org/x/exp",
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "hhrlhf/kernel/feedback")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "hhrlhf/rlhf/online") {
		t.Fatalf("the list is not what it should be: %q", deps)
	}
	for _, d := range deps {
		first, _, _ := strings.Cut(d, "/")
		ok := !strings.Contains(first, ".") || slices.ContainsFunc(allowed, func(a string) bool { return d == a || strings.HasPrefix(d, a+"/") })
		if !ok || d == "net/http" || strings.HasPrefix(d, "hhrlhf/kernel/proxy") || d == "hhrlhf/rlhf/data" {
			t.Errorf("a cell would link %s", d)
		}
	}
}
