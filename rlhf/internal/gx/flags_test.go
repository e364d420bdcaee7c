package gx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A flag is set where the plugin has its name and value, and where the user has
// not chosen; the names may straddle the blocks in which the file is read.
func TestSetFlags(t *testing.T) {
	plugin := filepath.Join(t.TempDir(), "plugin_cpu.so")
	pad := strings.Repeat("x", 1<<20-10)
	const ynn, reduce = "xla_cpu_experimental_ynn_fusion_type", "LIBRARY_FUSION_TYPE_REDUCE"
	for name, c := range map[string]struct{ content, before, after string }{
		"neither":   {pad, "", ""},
		"XNNPACK":   {pad + "xla_cpu_use_xnnpack", "", noXNNPACK},
		"no value":  {ynn + pad, "", ""},
		"both":      {reduce + pad + "xla_cpu_use_xnnpack" + pad + ynn, "", noXNNPACK + " " + fastReductions},
		"beside":    {pad + ynn + reduce, "--a=1", "--a=1 " + fastReductions},
		"by choice": {ynn + reduce + "xla_cpu_use_xnnpack", "--xla_cpu_use_xnnpack=true --" + ynn + "=", "--xla_cpu_use_xnnpack=true --" + ynn + "="},
	} {
		t.Setenv("XLA_FLAGS", c.before)
		if err := os.WriteFile(plugin, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := setFlags("xla:" + plugin); err != nil {
			t.Fatal(err)
		}
		if got := os.Getenv("XLA_FLAGS"); got != c.after {
			t.Errorf("%s: %q, want %q", name, got, c.after)
		}
	}
}
