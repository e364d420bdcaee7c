// Package disk measures folders.
package disk

import (
	"io/fs"
	"path/filepath"
)

// Size adds up the files below dir, in bytes; what vanishes meanwhile counts nothing.
func Size(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
