package wire_test

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// Every float32 must survive JSON bit for bit, or a step taken apart in a cell
// would differ from the same step taken whole.
func TestFloat32RoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := rlhf.Batch{LogP: [][]float32{{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32, 1e-45, 0.1}}}
	for range 200 {
		row := make([]float32, 500)
		for i := range row {
			for {
				row[i] = math.Float32frombits(r.Uint32())
				if row[i]-row[i] == 0 {
					break
				}
			}
		}
		b.LogP = append(b.LogP, row)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var got rlhf.Batch
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for i, row := range b.LogP {
		for j, want := range row {
			if math.Float32bits(got.LogP[i][j]) != math.Float32bits(want) {
				t.Fatalf("LogP[%d][%d]: %x became %x", i, j, math.Float32bits(want), math.Float32bits(got.LogP[i][j]))
			}
		}
	}
}

// A metric may be undefined, and must arrive so.
func TestPointCarriesNonFinite(t *testing.T) {
	p := rlhf.Point{Step: 3, Values: map[string]float64{
		"nan": math.NaN(), "up": math.Inf(1), "down": math.Inf(-1), "tenth": 0.1, "negative zero": math.Copysign(0, -1),
	}}
	text, err := json.Marshal(wire.EventLine(rlhf.Event{Run: "r", Step: 3, Point: &p}))
	if err != nil {
		t.Fatal(err)
	}
	var line wire.Line
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	ev := line.ToEvent()
	if ev.Run != "r" || ev.Step != 3 || ev.Point == nil || ev.Point.Step != 3 || len(ev.Point.Values) != len(p.Values) {
		t.Fatalf("got %+v from %s", ev, text)
	}
	for name, want := range p.Values {
		if got := ev.Point.Values[name]; math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	var f wire.Float
	if err := json.Unmarshal([]byte(`"1e3"`), &f); err == nil {
		t.Error(`a string that is no special number was read as one`)
	}
}

func TestCheckFinite(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"batch", &rlhf.Batch{Score: []float32{1}, LogP: [][]float32{{0, 1}, {2, 3}}}, ""},
		{"row", &rlhf.Batch{Score: []float32{1, float32(math.Inf(-1))}}, "Batch.Score[1] is -Inf (row 1)"},
		{"slot", &rlhf.Batch{LogP: [][]float32{{0, 1}, {2, 3, float32(nan)}}}, "Batch.LogP[1][2] is NaN (row 1, slot 2)"},
		{"config", rlhf.PPO{KLCoef: nan}, "PPO.KLCoef is NaN"},
		{"pointer", rlhf.Batch{Gold: []rlhf.Gold{{}, {Honest: nan}}}, "Batch.Gold[1].Honest is NaN (row 1)"},
		{"point", wire.PointOf(rlhf.Point{Values: map[string]float64{"x": nan}}), ""},
		{"map", map[string]float64{"x": nan}, `value["x"] is NaN`},
		{"nil", (*rlhf.Batch)(nil), ""},
	} {
		err := wire.CheckFinite(c.v)
		if got := text(err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCheckProtocol(t *testing.T) {
	me := wire.ProtocolID()
	if err := wire.CheckProtocol(wire.End{ID: me, Version: "v"}, wire.Here()); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ engine, client, want string }{
		{"1.aa", "1.bb", "the engine is older than this cell"},
		{"1.aa", "2.aa", "the engine is older than this cell"},
		{"2.aa", "1.aa", "this cell is older than the engine"},
		{"", "1.aa", "the engine is older than this cell"},
	} {
		err := wire.CheckProtocol(wire.End{ID: c.engine, Version: "abc123"}, wire.End{ID: c.client})
		if !strings.Contains(text(err), c.want) || !strings.Contains(text(err), "estart the kernel") {
			t.Errorf("%q and %q: %v", c.engine, c.client, err)
		}
	}
}

// Where both shapes are known, the error names what differs, and tells by it which side is older.
func TestDifferenceIsNamed(t *testing.T) {
	here := wire.Here()
	changed := func(change func(shape map[string]string)) wire.End {
		shape := maps.Clone(here.Shape)
		change(shape)
		return wire.End{ID: "1.other", Version: "abc123", Shape: shape}
	}
	for _, c := range []struct {
		name   string
		engine wire.End
		want   []string
	}{
		{"a field more here", changed(func(s map[string]string) { delete(s, "rlhf.PPO.KLCoef") }),
			[]string{"the engine is older than this cell", "only the cell has rlhf.PPO.KLCoef"}},
		{"a field more there", changed(func(s map[string]string) { s["rlhf.PPO.LoRA"] = "int lora" }),
			[]string{"this cell is older than the engine", "only the engine has rlhf.PPO.LoRA"}},
		{"another type", changed(func(s map[string]string) { s["wire.Steps.N"] = "string n" }),
			[]string{"different at the two: wire.Steps.N (engine string n, cell int n)"}},
		{"a call and its noun less", changed(func(s map[string]string) {
			delete(s, "POST /v1/ppo/{name}/snapshot")
			delete(s, "wire.Name")
			delete(s, "wire.Name.Name")
		}), []string{"only the cell has POST /v1/ppo/{name}/snapshot, wire.Name)"}},
		{"much", changed(func(s map[string]string) { clear(s) }), []string{"and", "more"}},
		{"not known", wire.End{ID: "1.other", Version: "abc123"}, []string{"cell " + here.ID + ")"}},
	} {
		got := text(wire.CheckProtocol(c.engine, here))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %q in it", c.name, got, want)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{"ppo-1": "ppo-1", "..": "%2E%2E", "a/b": "a%2Fb", "a.b": "a.b", "ä b": "%C3%A4%20b"} {
		if got := wire.Escape(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
