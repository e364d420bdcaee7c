package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DecodeConfig reads a configuration into cfg, a pointer to a struct whose
// defaults are set already. A field that cfg does not have is an error that names it
// and the nearest field that there is: a misspelt setting must not train a
// model under the default. An empty raw leaves cfg as it is.
func DecodeConfig(raw json.RawMessage, cfg any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(cfg)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Errorf("run: config: field %q is a JSON %s, want %s", wrongType.Field, wrongType.Value, wrongType.Type)
	case err != nil:
		// encoding/json has no type for this error.
		if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			names := fieldNames(reflect.TypeOf(cfg), nil)
			return fmt.Errorf("run: config: unknown field %s; the nearest known: %s",
				quoted, strings.Join(nearest(strings.Trim(quoted, `"`), names, 3), ", "))
		}
		return fmt.Errorf("run: config: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("run: config: there is text after the JSON object")
	}
	return nil
}

// fieldNames lists the JSON names of a struct's fields, those of nested structs
// included.
func fieldNames(t reflect.Type, seen []reflect.Type) (names []string) {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || slices.Contains(seen, t) {
		return nil
	}
	seen = append(seen, t)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && !f.Anonymous && name != "-" {
			names = append(names, name)
			names = append(names, fieldNames(f.Type, seen)...)
		}
	}
	return names
}

// nearest returns the k names at the smallest edit distance from name, case apart.
func nearest(name string, names []string, k int) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int {
		return levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(a)) - levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(b))
	})
	return names[:min(k, len(names))]
}
