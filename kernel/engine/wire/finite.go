package wire

import (
	"fmt"
	"math"
	"reflect"
)

// CheckFinite returns an error that names the first NaN or infinity in v, which
// JSON cannot carry: "Batch.LogP[3][7] is NaN (row 3, slot 7)". Fields of type
// [Float] may hold anything.
func CheckFinite(v any) error {
	t := reflect.TypeOf(v)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return nil
	}
	name := t.Name()
	if name == "" {
		name = "value"
	}
	return find(reflect.ValueOf(v), name, nil)
}

var floatType = reflect.TypeFor[Float]()

// find walks v; path is its name and index the slice indices on the way.
func find(v reflect.Value, path string, index []int) error {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if x := v.Float(); v.Type() != floatType && !finite(x) {
			return fmt.Errorf("%s is %v%s", path, x, where(index))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return find(v.Elem(), path, index)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if err := find(v.Field(i), path+"."+f.Name, index); err != nil {
					return err
				}
			}
		}
	case reflect.Slice, reflect.Array:
		if row, ok := v.Interface().([]float32); ok && allFinite(row) {
			return nil // the bulk of a batch, without reflection
		}
		if !mayHoldFloats(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			at := append(index[:len(index):len(index)], i)
			if err := find(v.Index(i), fmt.Sprintf("%s[%d]", path, i), at); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !mayHoldFloats(v.Type().Elem()) {
			return nil
		}
		for it := v.MapRange(); it.Next(); {
			if err := find(it.Value(), fmt.Sprintf("%s[%q]", path, it.Key()), index); err != nil {
				return err
			}
		}
	}
	return nil
}

// where spells out the indices of a batch's field.
func where(index []int) string {
	switch len(index) {
	case 1:
		return fmt.Sprintf(" (row %d)", index[0])
	case 2:
		return fmt.Sprintf(" (row %d, slot %d)", index[0], index[1])
	}
	return ""
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func allFinite(row []float32) bool {
	for _, x := range row {
		if x-x != 0 { // NaN and infinities only
			return false
		}
	}
	return true
}

// mayHoldFloats says whether walking into a type can find a float at all.
func mayHoldFloats(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return false
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return mayHoldFloats(t.Elem())
	}
	return t != floatType
}
