package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"hhrlhf/rlhf"
)

// manifestFormat is raised when a manifest can no longer be read by older code.
const manifestFormat = 1

const manifestFile = "manifest.json"

// A Manifest says what a run is and everything that it was made from. It is
// written once, by [Store.Create].
type Manifest struct {
	Format  int             `json:"format"` // set by Create
	Name    string          `json:"name"`   // see [CheckName]
	Kind    string          `json:"kind"`   // "lm", "pm", "ppo", …
	Created time.Time       `json:"created"`
	Seed    Seed            `json:"seed"`
	Config  json.RawMessage `json:"config,omitempty"` // the stage's configuration; read it with [DecodeConfig]

	Backend   string            `json:"backend,omitempty"` // the accelerator library, such as "xla:cpu"
	Device    string            `json:"device,omitempty"`  // the device as that library names it
	GoVersion string            `json:"go_version"`
	Revision  string            `json:"revision,omitempty"` // of the version control; "+dirty" if files had changed
	Versions  map[string]string `json:"versions,omitempty"` // module path to version, of all modules in the program

	Data    []DataHash `json:"data,omitempty"`    // what was trained on
	Parents []string   `json:"parents,omitempty"` // names of the runs that this one started from

	// Tokenizer and Template are the hashes of the rules that turned text into
	// ids; a run that meets a parent with others must refuse it.
	Tokenizer string `json:"tokenizer,omitempty"`
	Template  string `json:"template,omitempty"`
}

// DataHash identifies one source of data.
type DataHash struct {
	Name   string `json:"name"`            // file name, or a generator such as "synth:seed=1"
	SHA256 string `json:"sha256"`          // hexadecimal, of the file's bytes or of what was generated
	Bytes  int64  `json:"bytes,omitempty"` // size of the file
	Rows   int    `json:"rows,omitempty"`  // rows used, where that is known
	// Read counts the rows that were read, Odd those that were left out, by reason.
	Read int        `json:"read,omitempty"`
	Odd  []rlhf.Odd `json:"odd,omitempty"`
}

// HashFile returns the identity of a file, Rows left 0.
func HashFile(path string) (DataHash, error) {
	f, err := os.Open(path)
	if err != nil {
		return DataHash{}, fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return DataHash{}, fmt.Errorf("run: %w", err)
	}
	return DataHash{Name: filepath.Base(path), SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, nil
}

// complete fills in what the program knows about itself, where m leaves it empty.
func (m *Manifest) complete() {
	m.Format = manifestFormat
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	m.Created = m.Created.UTC().Round(0)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	if m.GoVersion == "" {
		m.GoVersion = info.GoVersion
	}
	if m.Revision == "" {
		dirty := ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				m.Revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+dirty"
			}
		}
		m.Revision += dirty
	}
	if m.Versions == nil {
		m.Versions = make(map[string]string, len(info.Deps))
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			m.Versions[d.Path] = d.Version
		}
	}
}

func readManifest(dir string) (Manifest, error) {
	path := filepath.Join(dir, manifestFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("run: %w", err)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("run: %s: %w", path, err)
	}
	switch {
	case m.Format < 1 || m.Format > manifestFormat:
		return Manifest{}, fmt.Errorf("run: %s: format = %d, want 1 to %d; it was written by a newer version of this program", path, m.Format, manifestFormat)
	case m.Name != filepath.Base(dir):
		return Manifest{}, fmt.Errorf("run: %s: name = %q, want %q as its directory; rename the directory back", path, m.Name, filepath.Base(dir))
	}
	if len(m.Config) > 0 { // indented with the rest of the file
		var flat bytes.Buffer
		if err := json.Compact(&flat, m.Config); err != nil {
			return Manifest{}, fmt.Errorf("run: %s: config: %w", path, err)
		}
		m.Config = flat.Bytes()
	}
	return m, nil
}

// write puts the manifest into temp, which is to become dir.
func (m Manifest) write(temp, dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		var bad *json.MarshalerError
		if errors.As(err, &bad) {
			return fmt.Errorf("run: the config of %q is not valid JSON: %w", m.Name, bad.Err)
		}
		return fmt.Errorf("run: manifest of %q: %w", m.Name, err)
	}
	return writeFile(filepath.Join(temp, manifestFile), filepath.Join(dir, manifestFile), append(data, '\n'))
}
