package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteJSON puts a file in place whole, for its owner to read, and makes its folder.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return fmt.Errorf("run: %s: %w", path, err)
	}
	return WriteFile(path, append(text, '\n'))
}

// ReadJSON reads a file that WriteJSON wrote; there is false if there is none.
func ReadJSON(path string, v any) (there bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return true, fmt.Errorf("run: %s: %w; remove the file, and it is made again", path, err)
	}
	return true, nil
}
