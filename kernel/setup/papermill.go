package setup

import (
	_ "embed"
	"path/filepath"
	"strings"

	"hhrlhf/rlhf/pjrt"
)

// papermill has no translator for Go; this module is one. papermill loads it
// through its entry point, so that `papermill in.ipynb out.ipynb -p size tiny`
// works in the private environment without more ado.
//
//go:embed rlhf_papermill.py
var papermillModule string

// papermillFiles are that module and what makes it known to Python, as pip would
// install it. They come with the kernelspec: requirements.txt holds what others
// publish. There are none where there is no environment.
func papermillFiles(d Dirs) []file {
	stamp, err := pjrt.ReadStamp(d.Venv())
	if err != nil {
		return nil
	}
	version := strings.TrimPrefix(stamp.Version, "Python ")
	packages := filepath.Join(d.Venv(), "lib", "python"+version, "site-packages")
	info := filepath.Join(packages, "rlhf_papermill-1.dist-info")
	return []file{
		{path: filepath.Join(packages, "rlhf_papermill.py"), content: []byte(papermillModule)},
		{path: filepath.Join(info, "METADATA"), content: []byte("Metadata-Version: 2.1\nName: rlhf-papermill\nVersion: 1\n")},
		{path: filepath.Join(info, "entry_points.txt"), content: []byte("[papermill.engine]\nrlhf = rlhf_papermill:Engine\n")},
	}
}
