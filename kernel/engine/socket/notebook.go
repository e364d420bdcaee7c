package socket

import (
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// NotebookEnv is the variable in which Jupyter tells a kernel the path of its notebook.
const NotebookEnv = "JPY_SESSION_NAME"

// Notebook returns the name of the notebook that this process works for, without folder
// and ending, "" where there is none. What is no letter, digit, "-", "_" or "." in it becomes "_", so
// that it can go into a header and onto a terminal.
func Notebook() string {
	path := os.Getenv(NotebookEnv)
	if path == "" {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(path), ".ipynb")
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r)) {
			return r
		}
		return '_'
	}, name)
}
