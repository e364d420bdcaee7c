package safetensors

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The files of a checkpoint's folder: one, or an index that spreads the tensors
// over several.
const (
	FileName  = "model.safetensors"
	IndexName = "model.safetensors.index.json"
)

const maxIndex = 64 << 20 // bytes; published ones have less than 1 MB

// An Info says where a tensor lies.
type Info struct {
	Name, DType string
	Shape       []int
	File        string // its path
	Offset      int64  // of its first byte in File
	Bytes       int64
}

// Open reads the header of one file and returns its tensors in the order of the
// data. The file is long enough for all of them.
func Open(path string) ([]Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	tensors, sizes, offset, err := readHeader(bufio.NewReader(f), stat.Size())
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	infos := make([]Info, len(tensors))
	for i, t := range tensors {
		infos[i] = Info{Name: t.Name, DType: t.DType, Shape: t.Shape, File: path, Offset: offset, Bytes: sizes[i]}
		offset += sizes[i]
	}
	return infos, nil
}

// OpenFolder returns the tensors of dir/model.safetensors, or else of the files
// that dir/model.safetensors.index.json names. The index and the files must agree:
// each tensor of the one is in the other.
func OpenFolder(dir string) ([]Info, error) {
	single, index := filepath.Join(dir, FileName), filepath.Join(dir, IndexName)
	if _, err := os.Stat(single); err == nil {
		return Open(single)
	}
	stat, err := os.Stat(index)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("safetensors: %s has neither %s nor %s; weights in other formats are not read", dir, FileName, IndexName)
	case err != nil:
		return nil, fmt.Errorf("safetensors: %w", err)
	case stat.Size() > maxIndex:
		return nil, fmt.Errorf("safetensors: %s: %d bytes, want at most %d", index, stat.Size(), maxIndex)
	}
	data, err := os.ReadFile(index)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	var content struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", index, err)
	}
	infos, err := openShards(dir, content.WeightMap)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", index, err)
	}
	return infos, nil
}

// openShards reads the headers of the files that the index names, in the order of
// their names.
func openShards(dir string, weightMap map[string]string) ([]Info, error) {
	var files []string
	for name, file := range weightMap {
		if file == "" || file != filepath.Base(file) || file == "." || file == ".." {
			return nil, fmt.Errorf("weight_map: %q is in %q, want the name of a file in the folder", name, file)
		}
		files = append(files, file)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) == 0 {
		return nil, errors.New("weight_map names no tensor")
	}
	var all []Info
	for _, file := range files {
		infos, err := Open(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			if want, ok := weightMap[info.Name]; !ok || want != file {
				return nil, fmt.Errorf("%s holds tensor %q, for which weight_map has %q", file, info.Name, want)
			}
		}
		all = append(all, infos...)
	}
	if len(all) != len(weightMap) {
		have := make(map[string]bool, len(all))
		for _, info := range all {
			have[info.Name] = true
		}
		var missing []string
		for name := range weightMap {
			if !have[name] {
				missing = append(missing, name)
			}
		}
		slices.Sort(missing)
		return nil, fmt.Errorf("weight_map: %s does not hold tensor %q", weightMap[missing[0]], missing[0])
	}
	return all, nil
}
