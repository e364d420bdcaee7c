package setup

import (
	"fmt"
	"os"
)

// FakeBuilds has tools read as text files "package version goversion", and lets
// the CUDA part do with little space.
func FakeBuilds() {
	cudaNeed = 1
	toolVersion = func(file string) (pkg, version, goVersion string, err error) {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", "", "", err
		}
		if _, err := fmt.Sscan(string(content), &pkg, &version, &goVersion); err != nil {
			return "", "", "", fmt.Errorf("%s: no fake build: %w", file, err)
		}
		return pkg, version, goVersion, nil
	}
}

// Locked files, as they are embedded.
var (
	Requirements     = requirements
	RequirementsCUDA = requirementsCUDA
)
