package show

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// paletted returns the picture with at most 256 colours, which takes a third of
// the bytes and a tenth of the time to encode: a notebook keeps every picture.
//
// Colours are gathered into cells of 8 × 8 × 8; the 256 cells with the most
// pixels give the palette (their mean colour) and the others, a few fringes of
// anti-aliasing, take the nearest entry. Equal pictures give equal palettes.
func paletted(img *image.RGBA) *image.Paletted {
	type bucket struct{ n, r, g, b, key int }
	cells := make([]bucket, 1<<15)
	keyOf := func(p []uint8) int { return int(p[0]>>3)<<10 | int(p[1]>>3)<<5 | int(p[2]>>3) }
	for i := 0; i+3 < len(img.Pix); i += 4 {
		p := img.Pix[i : i+4 : i+4]
		c := &cells[keyOf(p)]
		c.n, c.r, c.g, c.b = c.n+1, c.r+int(p[0]), c.g+int(p[1]), c.b+int(p[2])
	}
	var used []bucket
	for key, c := range cells {
		if c.n > 0 {
			c.r, c.g, c.b, c.key = (c.r+c.n/2)/c.n, (c.g+c.n/2)/c.n, (c.b+c.n/2)/c.n, key
			used = append(used, c)
		}
	}
	slices.SortFunc(used, func(a, b bucket) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key))
	})
	chosen := used[:min(256, len(used))]
	index := make([]uint8, 1<<15)
	pal := make(color.Palette, len(chosen))
	for i, c := range chosen {
		pal[i] = color.RGBA{uint8(c.r), uint8(c.g), uint8(c.b), 255}
	}
	for i, c := range used {
		if i < len(chosen) {
			index[c.key] = uint8(i)
			continue
		}
		best := 1 << 30
		for j, q := range chosen {
			if d := sq(c.r-q.r) + sq(c.g-q.g) + sq(c.b-q.b); d < best {
				best, index[c.key] = d, uint8(j)
			}
		}
	}
	out := image.NewPaletted(img.Rect, pal)
	for i := range out.Pix {
		out.Pix[i] = index[keyOf(img.Pix[4*i:4*i+4])]
	}
	return out
}

func sq(v int) int { return v * v }
