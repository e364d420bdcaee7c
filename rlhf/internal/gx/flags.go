package gx

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// XLA's CPU backend may hand matrix products to XNNPACK, which packs the
// right-hand side once and keeps the packing for as long as the operand stays at
// one address. New weights that the allocator happens to place where old ones
// stood are then multiplied as if they were the old ones: no error, only wrong
// numbers, in some steps of some runs. Known to be so in the plugin of the wheel
// xla-cpu-pjrt 0.0.1 (PJRT API 0.81).
const noXNNPACK = "--xla_cpu_use_xnnpack=false"

// XLA's own loops add up a row number by number; YNNPACK, which JAX uses by
// default, takes a whole vector register at a time. It keeps nothing from call to
// call, and its sums do not depend on the number of threads.
const fastReductions = "--xla_cpu_experimental_ynn_fusion_type=reduce"

// setFlags sets the flags in XLA_FLAGS that the plugin which spec names by its
// path knows; XLA ends the process at a flag that it does not know. A choice that
// the user has made stays.
func setFlags(spec string) error {
	_, plugin, _ := strings.Cut(spec, ":")
	if !filepath.IsAbs(plugin) {
		return nil
	}
	flags := os.Getenv("XLA_FLAGS")
	for _, f := range []struct{ flag, name, value string }{
		{noXNNPACK, "xla_cpu_use_xnnpack", ""},
		{fastReductions, "xla_cpu_experimental_ynn_fusion_type", "LIBRARY_FUSION_TYPE_REDUCE"},
	} {
		if strings.Contains(flags, f.name) {
			continue
		}
		known, err := fileContains(plugin, f.name, f.value)
		if err != nil {
			return err
		}
		if known {
			flags = strings.TrimSpace(flags + " " + f.flag)
		}
	}
	return os.Setenv("XLA_FLAGS", flags)
}

// fileContains tells whether a file has all of texts. It reads the file in
// blocks, for a plugin has hundreds of megabytes.
func fileContains(path string, texts ...string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	overlap := 0 // a match may straddle two blocks
	for _, text := range texts {
		overlap = max(overlap, len(text)-1)
	}
	buf, kept := make([]byte, 1<<20), 0
	for {
		n, err := f.Read(buf[kept:])
		block := buf[:kept+n]
		texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return bytes.Contains(block, []byte(text)) })
		if len(texts) == 0 {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, block[max(0, len(block)-overlap):])
	}
}
