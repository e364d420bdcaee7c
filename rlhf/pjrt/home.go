package pjrt

import (
	"fmt"
	"os"
	"path/filepath"
)

// HomeEnv is the one environment variable that moves everything this project
// installs: with RLHF_HOME=/x the data go to /x and downloads to /x/cache.
const HomeEnv = "RLHF_HOME"

// A Home is the pair of folders that belong to this project.
type Home struct {
	Data  string // what is installed: $XDG_DATA_HOME/hhrlhf, else ~/.local/share/hhrlhf
	Cache string // what can be fetched again: $XDG_CACHE_HOME/hhrlhf, else ~/.cache/hhrlhf
}

// FindHome returns the two folders, absolute, without creating them.
func FindHome() (Home, error) {
	if v, set := os.LookupEnv(HomeEnv); set {
		if v == "" {
			return Home{}, fmt.Errorf("pjrt: %s is set but empty; unset it or name a folder", HomeEnv)
		}
		abs, err := filepath.Abs(v)
		if err != nil {
			return Home{}, fmt.Errorf("pjrt: %s=%q: %w", HomeEnv, v, err)
		}
		return Home{Data: abs, Cache: filepath.Join(abs, "cache")}, nil
	}
	data, err := xdg("XDG_DATA_HOME", ".local", "share")
	if err != nil {
		return Home{}, err
	}
	cache, err := xdg("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return Home{}, err
	}
	return Home{Data: filepath.Join(data, "hhrlhf"), Cache: filepath.Join(cache, "hhrlhf")}, nil
}

// xdg returns the folder an XDG variable names, else the given one below the
// user's home. The XDG specification has relative values ignored.
func xdg(name string, below ...string) (string, error) {
	if v := os.Getenv(name); filepath.IsAbs(v) {
		return v, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("pjrt: no home folder: %w; set HOME, or set %s to a folder for this project", err, HomeEnv)
	}
	return filepath.Join(append([]string{home}, below...)...), nil
}
