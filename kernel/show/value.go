package show

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
)

// asResult is true while the next output is to be the cell's result.
var asResult bool

// Value shows a value as the result of a cell: the kernel calls it with a cell's
// last expression. What this laboratory deals in is shown as its own function
// shows it: a Status as [Status], runs as [Runs], a batch as [Samples], a
// history as [Loss], findings as [Diagnosis], tokens as [Reading], a BeforeAfter
// as [Compare], a PMEval as [PMEval], and so on. Slices, maps and structs are
// tables of at most twenty rows; everything else is text, a string in quotes.
func Value(v any) {
	asResult = true
	defer func() { asResult = false }()
	if !ours(v) {
		show(anything(v))
	}
}

// ours shows the values that have a picture or a table of their own.
func ours(v any) bool {
	const some = 8 // rows of long texts
	switch v := v.(type) {
	case rlhf.Status:
		Status(v)
	case []rlhf.RunInfo:
		Runs(v)
	case rlhf.RunInfo:
		Runs([]rlhf.RunInfo{v})
	case *rlhf.Batch:
		if v == nil {
			return false
		}
		Samples(v, some)
	case []rlhf.Sample:
		SampleTable(v)
	case []rlhf.Transcript:
		Transcripts(v, some)
	case rlhf.Transcript:
		Transcripts([]rlhf.Transcript{v}, 1)
	case []rlhf.Comparison:
		Comparisons(v, some)
	case rlhf.Comparison:
		Comparisons([]rlhf.Comparison{v}, 1)
	case []rlhf.Choice:
		Choices(v, some)
	case []rlhf.Point:
		Loss(v)
	case []rlhf.Finding:
		Diagnosis(v)
	case []rlhf.Token:
		Reading(v)
	case []rlhf.DataInfo:
		Data(v...)
	case rlhf.BeforeAfter:
		Compare(v, some)
	case rlhf.PMEval:
		PMEval(v)
	case rlhf.Run:
		info, err := v.Info()
		if err != nil {
			return false
		}
		Runs([]rlhf.RunInfo{info})
	default:
		return false
	}
	return true
}

// maxRows is the most that a table of a value has.
const maxRows = 20

// anything shows a value of any type.
func anything(v any) output {
	switch v := v.(type) {
	case nil:
		return output{text: "nil"}
	case error:
		return output{text: "✗ " + clean(v.Error())}
	case fmt.Stringer:
		if r := reflect.ValueOf(v); r.Kind() != reflect.Pointer || !r.IsNil() {
			return output{text: strings.TrimRight(clean(v.String()), "\n")}
		}
	}
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer && !r.IsNil() && r.Elem().Kind() == reflect.Struct {
		r = r.Elem()
	}
	switch r.Kind() {
	case reflect.Struct:
		if t := structTable(r); t != nil {
			return t.output()
		}
	case reflect.Map:
		if r.Len() > 0 {
			return mapTable(r).output()
		}
	case reflect.Slice, reflect.Array:
		if t := sliceTable(r); t != nil {
			return t.output()
		}
		return output{text: scalars(r)}
	case reflect.Func, reflect.Chan:
		return output{text: r.Type().String()}
	}
	return output{text: word(r)}
}

// word is a value in one line, as a table's cell has it.
func word(r reflect.Value) string {
	if !r.IsValid() {
		return "nil"
	}
	if r.CanInterface() {
		switch v := r.Interface().(type) {
		case error:
			return clean(v.Error())
		case fmt.Stringer:
			if r.Kind() != reflect.Pointer || !r.IsNil() {
				return clean(v.String())
			}
		}
	}
	switch r.Kind() {
	case reflect.Float32, reflect.Float64:
		return number(r.Float())
	case reflect.String:
		return strconv.Quote(clean(r.String()))
	case reflect.Interface:
		return word(r.Elem())
	case reflect.Slice, reflect.Array:
		return shorten(scalars(r), 80)
	}
	return shorten(clean(fmt.Sprintf("%+v", r)), 200)
}

// entry is a value as a table's cell: numbers to the right, strings bare.
func entry(r reflect.Value) cell {
	switch r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return cell{text: word(r), right: true}
	case reflect.String:
		if !r.CanInterface() || r.Type().NumMethod() == 0 {
			return cell{text: r.String(), style: "max-width:32em;"}
		}
	case reflect.Interface:
		if !r.IsNil() {
			return entry(r.Elem())
		}
	}
	return cell{text: word(r)}
}

// fields are the exported fields of a struct.
func fields(t reflect.Type) []int {
	var out []int
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			out = append(out, i)
		}
	}
	return out
}

func structTable(r reflect.Value) *table {
	t := &table{heads: [][]cell{heads(r.Type().String(), "")}}
	for _, i := range fields(r.Type()) {
		t.rows = append(t.rows, []cell{{text: r.Type().Field(i).Name}, entry(r.Field(i))})
	}
	if len(t.rows) == 0 {
		return nil
	}
	return t
}

func mapTable(r reflect.Value) *table {
	t := &table{heads: [][]cell{heads("key", "value")}}
	keys := r.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return less(keys[i], keys[j]) })
	for _, k := range keys[:min(len(keys), maxRows)] {
		t.rows = append(t.rows, []cell{entry(k), entry(r.MapIndex(k))})
	}
	t.foot = rest(r)
	return t
}

// less orders the keys of a map: numbers by size, everything else by its text.
func less(a, b reflect.Value) bool {
	switch {
	case a.CanInt() && b.CanInt():
		return a.Int() < b.Int()
	case a.CanFloat() && b.CanFloat():
		return a.Float() < b.Float()
	}
	return word(a) < word(b)
}

// sliceTable is a table of a slice of structs, maps or slices, nil for others.
func sliceTable(r reflect.Value) *table {
	if r.Len() == 0 {
		return nil
	}
	n := min(r.Len(), maxRows)
	t := &table{foot: rest(r)}
	elem := r.Type().Elem()
	at := r.Index
	if elem.Kind() == reflect.Pointer && elem.Elem().Kind() == reflect.Struct {
		for i := range n {
			if r.Index(i).IsNil() {
				return nil
			}
		}
		elem, at = elem.Elem(), func(i int) reflect.Value { return r.Index(i).Elem() }
	}
	switch elem.Kind() {
	case reflect.Struct:
		columns := fields(elem)
		if len(columns) == 0 {
			return nil
		}
		names := []string{""}
		for _, c := range columns {
			names = append(names, elem.Field(c).Name)
		}
		t.heads = [][]cell{heads(names...)}
		for i := range n {
			row := []cell{{text: fmt.Sprint(i), right: true}}
			for _, c := range columns {
				row = append(row, entry(at(i).Field(c)))
			}
			t.rows = append(t.rows, row)
		}
	case reflect.Slice, reflect.Array:
		if elem.Elem().Kind() == reflect.Uint8 {
			return nil
		}
		t.caption = shape(r)
		t.heads = [][]cell{heads("", "values")}
		for i := range n {
			t.rows = append(t.rows, []cell{{text: fmt.Sprint(i), right: true}, {text: scalars(r.Index(i))}})
		}
	default:
		return nil
	}
	return t
}

// scalars is a slice in a line: its type and length, and the first and last values.
func scalars(r reflect.Value) string {
	const ends = 8
	var words []string
	for i := range r.Len() {
		if i == ends && r.Len() > 2*ends {
			words = append(words, "…")
		}
		if i < ends || i >= r.Len()-ends {
			words = append(words, shorten(word(r.Index(i)), longestShown/(2*ends)))
		}
	}
	head := ""
	if r.Len() > 2*ends {
		head = fmt.Sprintf("%s of %d: ", r.Type(), r.Len())
	}
	return head + "[" + strings.Join(words, " ") + "]"
}

// shape says how large a nested slice is: [][]float32 [8, 32].
func shape(r reflect.Value) string {
	var dims []string
	t := r.Type()
	for r.Kind() == reflect.Slice || r.Kind() == reflect.Array {
		dims = append(dims, fmt.Sprint(r.Len()))
		if r.Len() == 0 {
			break
		}
		lengths := map[int]bool{}
		if k := r.Type().Elem().Kind(); k == reflect.Slice || k == reflect.Array {
			for i := range r.Len() {
				lengths[r.Index(i).Len()] = true
			}
		}
		r = r.Index(0)
		if len(lengths) > 1 {
			dims = append(dims, "ragged")
			break
		}
	}
	return t.String() + " [" + strings.Join(dims, ", ") + "]"
}

// rest says how much of a value a table leaves out.
func rest(r reflect.Value) string {
	if r.Len() > maxRows {
		return fmt.Sprintf("the first %d of %d", maxRows, r.Len())
	}
	return ""
}
