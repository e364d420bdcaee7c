package show_test

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hhrlhf/kernel/show"
)

// A dichromat sees colours in a plane of linear RGB, or in two half-planes.
type dichromat struct {
	name   string
	normal [3]float64 // of the plane between the halves; zero: there is one half
	halves [2][9]float64
}

// dichromats are matrices on linear sRGB: protanopia and deuteranopia by Viénot, Brettel
// and Mollon (Color Research and Application 24, 243, 1999), tritanopia, for which one
// plane will not do, by Brettel, Viénot and Mollon (J. Opt. Soc. Am. A 14, 2647, 1997);
// in the numbers of libDaltonLens (public domain), which works them out for sRGB.
var dichromats = []dichromat{
	{name: "protanopia", halves: [2][9]float64{{0.11238, 0.88762, 0, 0.11238, 0.88762, 0, 0.00401, -0.00401, 1}}},
	{name: "deuteranopia", halves: [2][9]float64{{0.29275, 0.70725, 0, 0.29275, 0.70725, 0, -0.02234, 0.02234, 1}}},
	{name: "tritanopia", normal: [3]float64{0.03901, -0.02788, -0.01113}, halves: [2][9]float64{
		{1.01277, 0.13548, -0.14826, -0.01243, 0.86812, 0.14431, 0.07589, 0.80500, 0.11911},
		{0.93678, 0.18979, -0.12657, 0.06154, 0.81526, 0.12320, -0.37562, 1.12767, 0.24796},
	}},
}

// linear undoes the transfer function of sRGB (IEC 61966-2-1).
func linear(c color.NRGBA) [3]float64 {
	var out [3]float64
	for i, v := range []uint8{c.R, c.G, c.B} {
		s := float64(v) / 255
		if out[i] = s / 12.92; s > 0.04045 {
			out[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return out
}

// sees returns what the dichromat sees of a colour, as linear RGB.
func (d dichromat) sees(c color.NRGBA) [3]float64 {
	in := linear(c)
	m := d.halves[0]
	if d.normal[0]*in[0]+d.normal[1]*in[1]+d.normal[2]*in[2] < 0 {
		m = d.halves[1]
	}
	var out [3]float64
	for i := range out {
		v := m[3*i]*in[0] + m[3*i+1]*in[1] + m[3*i+2]*in[2]
		out[i] = min(max(v, 0), 1)
	}
	return out
}

// cielab converts linear sRGB to CIELAB under D65.
func cielab(rgb [3]float64) [3]float64 {
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124564*rgb[0] + 0.3575761*rgb[1] + 0.1804375*rgb[2]) / 0.95047)
	y := f(0.2126729*rgb[0] + 0.7151522*rgb[1] + 0.0721750*rgb[2])
	z := f((0.0193339*rgb[0] + 0.1191920*rgb[1] + 0.9503041*rgb[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// apart is ΔE of CIE 1976.
func apart(a, b [3]float64) float64 {
	p, q := cielab(a), cielab(b)
	return math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
}

// Colours that stand beside each other must be told apart by everybody. ΔE of 2.3 can just be
// seen when two patches touch (Mahy, Van Eycken and Oosterlinck 1994); lines do not.
func TestPaletteForDichromats(t *testing.T) {
	const least, leastTogether = 10.0, 18.0
	const blue, vermilion, green, purple, orange, sky, black = 0, 1, 2, 3, 4, 5, 6
	// Pairs that a dashboard draws in one panel, where no name stands at the line's end.
	together := [][2]int{{blue, vermilion}, {green, purple}, {vermilion, orange}, {blue, purple}, {vermilion, green}, {vermilion, black}}
	for _, d := range dichromats {
		for i, a := range show.Palette {
			for j, b := range show.Palette[:i] {
				if got := apart(d.sees(a), d.sees(b)); got < least {
					t.Errorf("%s: colours %d and %d of the palette are %.1f apart, want %v", d.name, j, i, got, least)
				}
			}
		}
		for _, p := range together {
			if got := apart(d.sees(show.Palette[p[0]]), d.sees(show.Palette[p[1]])); got < leastTogether {
				t.Errorf("%s: colours %d and %d, drawn in one panel, are %.1f apart, want %v", d.name, p[0], p[1], got, leastTogether)
			}
		}
		// The ramp of steps is read from dark to light.
		for i := range 10 {
			before, after := cielab(d.sees(show.Ramp(float64(i)/10))), cielab(d.sees(show.Ramp(float64(i+1)/10)))
			if after[0] <= before[0] {
				t.Errorf("%s: the ramp of steps gets no lighter at %d/10", d.name, i+1)
			}
		}
		// Negative and positive tints, on every ground, and the two ends of a scale.
		for name, th := range themes {
			for _, v := range []float64{0.25, 0.5, 1} {
				if got := apart(d.sees(tintOver(t, show.Tinted(v), th.ground)), d.sees(tintOver(t, show.Tinted(-v), th.ground))); got < least {
					t.Errorf("%s, %s: tints of ±%v are %.1f apart, want %v", d.name, name, v, got, least)
				}
			}
		}
	}
}

// The simulation sees the mistakes that it is there for: red beside green, and a palette that
// many plots have.
func TestDichromatsNegative(t *testing.T) {
	for _, p := range []struct {
		name string
		a, b color.NRGBA
		who  int
	}{
		{"red and green of one lightness", color.NRGBA{200, 60, 60, 255}, color.NRGBA{110, 118, 50, 255}, 1},
		{"blue and green", color.NRGBA{0, 130, 140, 255}, color.NRGBA{0, 128, 155, 255}, 2},
	} {
		d := dichromats[p.who]
		if normal, got := apart(linear(p.a), linear(p.b)), apart(d.sees(p.a), d.sees(p.b)); got >= 10 || got >= normal {
			t.Errorf("%s: %s sees them %.1f apart, others %.1f", p.name, d.name, got, normal)
		}
	}
	for _, d := range dichromats { // greys are seen as they are: the rows of each matrix add up to 1
		for _, v := range []uint8{0, 90, 200, 255} {
			if got := apart(d.sees(color.NRGBA{v, v, v, 255}), linear(color.NRGBA{v, v, v, 255})); got > 0.5 {
				t.Errorf("%s sees grey %d as a colour, %.2f away", d.name, v, got)
			}
		}
	}
}

// A theme is what stands behind a table, and the theme's text.
type theme struct {
	ground, text color.NRGBA
	share        float64 // opacity of the text
}

var (
	whiteGround = color.NRGBA{255, 255, 255, 255}
	blackInk    = color.NRGBA{0, 0, 0, 255}

	// themes are those of JupyterLab 4.6: content font colour 1 over layout colour 0, and over
	// the ground of every other row of a table.
	themes = map[string]theme{
		"light":                  {whiteGround, blackInk, 0.87},
		"light, every other row": {color.NRGBA{0xf5, 0xf5, 0xf5, 255}, blackInk, 0.87},
		"dark":                   {color.NRGBA{0x11, 0x11, 0x11, 255}, whiteGround, 1},
		"dark, every other row":  {color.NRGBA{0x21, 0x21, 0x21, 255}, whiteGround, 1},
	}
)

// laid mixes c over a ground at an opacity.
func laid(ground, c color.NRGBA, opacity float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-opacity) + float64(b)*opacity + 0.5) }
	return color.NRGBA{mix(ground.R, c.R), mix(ground.G, c.G), mix(ground.B, c.B), 255}
}

// tintOver reads the colour that a cell's style lays over a ground.
func tintOver(t *testing.T, style string, ground color.NRGBA) color.NRGBA {
	t.Helper()
	var c color.NRGBA
	var opacity float64
	if _, err := fmt.Sscanf(style, "background-color:rgba(%d,%d,%d,%f);", &c.R, &c.G, &c.B, &opacity); err != nil {
		t.Fatalf("style %q: %v", style, err)
	}
	return laid(ground, c, opacity)
}

// Text has the contrast that WCAG 2.1 asks of small text, 4.5 : 1: on tints and faded, in light
// and in dark themes; on what is a colour of its own, in its own ink; in the colours of
// series on white; on bars.
func TestContrast(t *testing.T) {
	const least = 4.5
	for name, th := range themes {
		for i := -20; i <= 20; i++ {
			ground := th.ground
			if style := show.Tinted(float64(i) / 20); style != "" {
				ground = tintOver(t, style, th.ground)
			}
			if got := show.Contrast(laid(ground, th.text, th.share), ground); got < least {
				t.Errorf("%s: text on the tint of %v: %.2f, want %v", name, float64(i)/20, got, least)
			}
		}
		for _, opacity := range opacities(t) {
			if got := show.Contrast(laid(th.ground, th.text, th.share*opacity), th.ground); got < least {
				t.Errorf("%s: text at opacity %v: %.2f, want %v", name, opacity, got, least)
			}
		}
	}
	for _, style := range append(show.Badges, show.Tinted(math.NaN())) {
		var ground, ink color.NRGBA
		if _, err := fmt.Sscanf(style, "background-color:#%02x%02x%02x;color:#%02x%02x%02x;", &ground.R, &ground.G, &ground.B, &ink.R, &ink.G, &ink.B); err != nil {
			t.Fatalf("style %q: %v", style, err)
		}
		if got := show.Contrast(ink, ground); got < least {
			t.Errorf("text in the style %q: %.2f, want %v", style, got, least)
		}
	}
	for i, c := range show.Palette {
		if got := show.Contrast(show.Legible(c), whiteGround); got < least {
			t.Errorf("names in colour %d on white: %.2f, want %v", i, got, least)
		}
		if got := show.Contrast(show.On(c), c); got < least {
			t.Errorf("numbers on bars of colour %d: %.2f, want %v", i, got, least)
		}
	}
}

// opacities are those that the package's source fades text to.
func opacities(t *testing.T) []float64 {
	t.Helper()
	var found []float64
	for _, m := range inSource(t, `opacity:([0-9.]+)`) {
		v, err := strconv.ParseFloat(m, 64)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v)
	}
	return found
}

// inSource returns what the first group of a pattern matches in the package's files.
func inSource(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(raw), -1) {
			found = append(found, m[1])
		}
	}
	if len(found) == 0 {
		t.Fatalf("nothing in the source matches %s", pattern)
	}
	return found
}

// On a projector of 1024 pixels JupyterLab leaves an output some 880 of them: no letter of a
// picture may then be below 14 pixels, and none of a table ever is. All text of pictures is
// of one of the sizes that are checked.
func TestLettersForAProjector(t *testing.T) {
	const output, least = 880.0, 14.0
	for what, points := range show.Sizes {
		if px := points * 4 / 3 * min(1, output/show.CardWidth); px < least {
			t.Errorf("%s letters are %.1f pixels high on a projector, want %v", what, px, least)
		}
	}
	for _, px := range inSource(t, `font-size:([0-9]+)px`) {
		if v, err := strconv.Atoi(px); err != nil || float64(v) < least {
			t.Errorf("font-size:%spx, want at least %v", px, least)
		}
	}
	for _, size := range inSource(t, `lettering\(([a-zA-Z0-9.]+), `) {
		if _, ok := show.Sizes[strings.TrimSuffix(size, "Size")]; !ok && size != "size" {
			t.Errorf("letters of the size %s, which is not checked", size)
		}
	}
}
