package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/pjrt"
)

// Jupyter's own folders lie below Dirs.Jupyter, so that neither the user's
// kernels nor their Jupyter settings change what a notebook does, nor ours theirs.
func (d Dirs) config() string   { return filepath.Join(d.Jupyter(), "config") }
func (d Dirs) settings() string { return filepath.Join(d.Jupyter(), "lab", "settings") }

// A file is one that setup writes: its whole content, or only its first one.
type file struct {
	path    string
	content []byte
	once    bool // the user may change it afterwards
}

// kernelSpec is Jupyter's kernel.json.
type kernelSpec struct {
	Argv          []string          `json:"argv"`
	DisplayName   string            `json:"display_name"`
	Language      string            `json:"language"`
	InterruptMode string            `json:"interrupt_mode"`
	Env           map[string]string `json:"env"`
	Metadata      map[string]any    `json:"metadata"`
}

// kernelFiles are the kernelspec, Jupyter's configuration and papermill's module.
func kernelFiles(d Dirs) ([]file, error) {
	spec := kernelSpec{
		Argv:          []string{d.Rlhf(), "kernel", "-repo", d.Repo, "{connection_file}"},
		DisplayName:   "RLHF (GoNB)",
		Language:      "go",
		InterruptMode: "message",
		Env:           map[string]string{},
		Metadata:      map[string]any{"debugger": false},
	}
	if home, set := os.LookupEnv(pjrt.HomeEnv); set {
		abs, err := filepath.Abs(home)
		if err != nil {
			return nil, err
		}
		// Another front-end that starts the kernel has to find the same folders.
		spec.Env[pjrt.HomeEnv] = abs
	}
	config := map[string]any{
		// One Go kernel to choose from, and no Python one: nothing of ours runs in it.
		"KernelSpecManager":  map[string]any{"ensure_native_kernel": false, "allowed_kernelspecs": []string{KernelName}},
		"MultiKernelManager": map[string]any{"default_kernel_name": KernelName},
		// No questions to the network, no news pop-up over the first notebook.
		"LabApp": map[string]any{"check_for_updates_class": "jupyterlab.NeverCheckForUpdate", "news_url": nil,
			"extension_manager": "readonly"},
		// No search for Node and two dozen language servers: gopls answers through the kernel.
		"LanguageServerManager": map[string]any{"autodetect": false},
	}
	notify := map[string]any{"fetchNews": "false", "checkForUpdates": false}
	var files []file
	for _, f := range []struct {
		path  string
		value any
		once  bool
	}{
		{filepath.Join(d.Spec(), "kernel.json"), spec, false},
		{filepath.Join(d.config(), "jupyter_server_config.json"), config, false},
		{filepath.Join(d.settings(), "@jupyterlab", "apputils-extension", "notification.jupyterlab-settings"), notify, true},
	} {
		content, err := json.MarshalIndent(f.value, "", "  ")
		if err != nil {
			return nil, err
		}
		files = append(files, file{f.path, append(content, '\n'), f.once})
	}
	return append(files, papermillFiles(d)...), nil
}

// kernelPart writes the kernelspec, Jupyter's configuration and papermill's module.
func kernelPart(d Dirs) part {
	return part{
		name:  "kernel",
		ready: func(context.Context) bool { return kernelFault(d) == "" },
		install: func(_ context.Context, log *pjrt.Progress) (bool, error) {
			files, err := kernelFiles(d)
			if err != nil {
				return false, err
			}
			for _, f := range files {
				if f.fault() == "" {
					continue
				}
				if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
					return true, err
				}
				if err := pjrt.WriteFile(f.path, f.content, 0o644); err != nil {
					return true, err
				}
			}
			log.Printf("kernelspec %s for %s", KernelName, d.Repo)
			return true, nil
		},
	}
}

// kernelFault says what is wrong with the files, "" if nothing is.
func kernelFault(d Dirs) string {
	files, err := kernelFiles(d)
	if err != nil {
		return err.Error()
	}
	for _, f := range files {
		if fault := f.fault(); fault != "" {
			return fault
		}
	}
	return ""
}

func (f file) fault() string {
	have, err := os.ReadFile(f.path)
	switch {
	case err != nil:
		return fmt.Sprintf("%s is missing", filepath.Base(f.path))
	case !f.once && !bytes.Equal(have, f.content):
		return fmt.Sprintf("%s is not as setup writes it for this module", filepath.Base(f.path))
	}
	return ""
}
