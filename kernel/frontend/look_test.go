package frontend_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/draw"
)

var update = flag.Bool("update", false, "write the screenshots of testdata anew; look at them before committing")

// rows and columns of the grid on which pictures are compared: cells of some
// thirty pixels, in which a font or a rounded corner counts little and a missing
// curve, a wrong theme or an empty output much.
const columns, rows = 40, 30

// coarse is the mean brightness of each cell of the grid, 0 to 1.
func coarse(img image.Image) []float64 {
	small := image.NewGray(image.Rect(0, 0, columns, rows))
	draw.BiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	grid := make([]float64, len(small.Pix))
	for i, v := range small.Pix {
		grid[i] = float64(v) / 255
	}
	return grid
}

// distance is the mean absolute difference of two grids.
func distance(a, b image.Image) float64 {
	x, y := coarse(a), coarse(b)
	sum := 0.0
	for i := range x {
		sum += math.Abs(x[i] - y[i])
	}
	return sum / float64(len(x))
}

func decode(t *testing.T, raw []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// shows checks that the picture of a cell, on the screen, is the picture that was sent:
// loaded, whole, of its size and in its colours. It waits until that is so: JupyterLab
// covers the page for a moment when the theme changes.
func (n *notebook) shows(i int) {
	n.t.Helper()
	type place struct {
		X, Y, W, H float64
		Src        string
	}
	n.choose(i)
	until(n.t, fmt.Sprintf("the picture of cell %d on the screen", i), patience, func() (bool, string) {
		at := eval[place](n.tab, `(async () => {
			const e = %s.querySelector("img"); e.scrollIntoView({block: "center"});
			await e.decode(); await new Promise(requestAnimationFrame);
			const r = e.getBoundingClientRect(); return {X: r.x, Y: r.y, W: r.width, H: r.height, Src: e.src} })()`, cell(i))
		if at.W < 400 || at.H < 200 || at.Y < 90 || at.Y+at.H > height-30 {
			return false, fmt.Sprintf("it lies at %.0f, %.0f and is %.0f × %.0f", at.X, at.Y, at.W, at.H)
		}
		_, encoded, _ := strings.Cut(at.Src, "base64,")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			n.t.Fatalf("cell %d: picture: %v", i, err)
		}
		part := image.NewRGBA(image.Rect(0, 0, int(at.W), int(at.H)))
		draw.Draw(part, part.Bounds(), decode(n.t, n.picture("cell")), image.Pt(int(at.X), int(at.Y)), draw.Src)
		d := distance(part, decode(n.t, raw))
		return d <= 0.02, fmt.Sprintf("it differs from the one that was sent by %.3f on average, want at most 0.02", d)
	})
}

// looksLike compares a screenshot with the committed one.
func looksLike(t *testing.T, name string, shot []byte, tolerance float64) {
	t.Helper()
	path := filepath.Join("testdata", name+".png")
	if *update {
		var small bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewerShades(decode(t, shot))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, small.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := distance(decode(t, shot), decode(t, want))
	t.Logf("%s: %.4f from the committed screenshot", name, d)
	if d > tolerance {
		t.Errorf("%s: differs from the committed screenshot by %.3f on average, want at most %.2f; look at it (%s=FOLDER), and go test -update if it is right", name, d, tolerance, picturesEnv)
	}
}

// fewerShades rounds colours to multiples of eight, which the eye does not see and which
// halves a file whose letters have edges of many shades.
func fewerShades(img image.Image) image.Image {
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	for i, v := range out.Pix {
		out.Pix[i] = uint8(min(255, (int(v)+4)/8*8))
	}
	return out
}

// The comparison must be able to fail.
func TestDistance(t *testing.T) {
	plain := func(c color.Color) *image.RGBA {
		img := image.NewRGBA(image.Rect(0, 0, 960, 460))
		draw.Draw(img, img.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
		return img
	}
	white := plain(color.White)
	curve := plain(color.White)
	for x := range 960 {
		for y := range 12 {
			curve.Set(x, 200+y+x/10, color.Black)
		}
	}
	if d := distance(white, curve); d < 0.02 {
		t.Errorf("a missing curve counts %.4f, and 0.02 passes", d)
	}
	if d := distance(white, plain(color.Gray{0x11})); d < 0.9 {
		t.Errorf("another theme counts %.3f", d)
	}
	if d := distance(curve, curve); d != 0 {
		t.Errorf("a picture differs from itself by %.4f", d)
	}
}
