package show

import (
	"image/color"
	"math"
)

// readable is the contrast that small text must have with its ground (WCAG 2.1, 1.4.3).
const readable = 4.5

// luminance is the relative luminance of an opaque colour (WCAG 2.1).
func luminance(c color.NRGBA) float64 {
	part := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.R) + 0.7152*part(c.G) + 0.0722*part(c.B)
}

// contrast of two opaque colours, from 1 to 21 (WCAG 2.1).
func contrast(a, b color.NRGBA) float64 {
	lighter, darker := luminance(a), luminance(b)
	if lighter < darker {
		lighter, darker = darker, lighter
	}
	return (lighter + 0.05) / (darker + 0.05)
}

var white = color.NRGBA{255, 255, 255, 255}

// legible darkens a colour, its hue kept, until text of it can be read on white.
func legible(c color.NRGBA) color.NRGBA {
	for contrast(c, white) < readable {
		c.R, c.G, c.B = uint8(float64(c.R)*0.96), uint8(float64(c.G)*0.96), uint8(float64(c.B)*0.96)
	}
	return c
}

// on returns the ink that can be read best on a ground.
func on(ground color.NRGBA) color.NRGBA {
	if contrast(white, ground) >= contrast(black, ground) {
		return white
	}
	return black
}
