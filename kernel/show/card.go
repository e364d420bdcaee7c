package show

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"sync"
	"unicode/utf8"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	stdfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The palette of Okabe and Ito (2008), as printed in Wong, Nature Methods 8, 441
// (2011), in the order in which series take their colours.
var (
	black     = color.NRGBA{0, 0, 0, 255}
	blue      = color.NRGBA{0, 114, 178, 255}
	vermilion = color.NRGBA{213, 94, 0, 255}
	green     = color.NRGBA{0, 158, 115, 255}
	purple    = color.NRGBA{204, 121, 167, 255}
	orange    = color.NRGBA{230, 159, 0, 255}
	sky       = color.NRGBA{86, 180, 233, 255}

	ink   = color.NRGBA{34, 34, 34, 255}
	dim   = color.NRGBA{90, 90, 90, 255}
	rules = color.NRGBA{222, 222, 222, 255}

	palette = []color.NRGBA{blue, vermilion, green, purple, orange, sky, black}
)

// faint returns c at the opacity a.
func faint(c color.NRGBA, a float64) color.NRGBA {
	c.A = uint8(255 * a)
	return c
}

// Sizes of text in points; a picture 960 CSS pixels wide is 720 points wide.
const (
	titleSize = 15
	labelSize = 13
	tickSize  = 12.5
	keySize   = 12.5

	captionSize   = 12.5
	captionHeight = 24 // of the line that it takes below the panels
)

// resolution is the number of pixels per CSS pixel, which is 3/4 point.
const resolution = 2

// fonts are the two faces the pictures use; loading gonum/plot's whole
// collection would add megabytes to every cell's program.
var fonts = sync.OnceValue(func() *font.Cache {
	var faces font.Collection
	for _, f := range []struct {
		weight stdfont.Weight
		ttf    []byte
	}{{stdfont.WeightNormal, liberationsansregular.TTF}, {stdfont.WeightBold, liberationsansbold.TTF}} {
		face, err := opentype.Parse(f.ttf)
		if err != nil {
			panic(fmt.Errorf("show: embedded font: %w", err)) // the build is broken
		}
		faces = append(faces, font.Face{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Weight: f.weight}, Face: face})
	}
	return font.NewCache(faces)
})

// lettering returns the style of a piece of text on white, in a colour that can be read.
func lettering(size float64, bold bool, c color.NRGBA) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(size)}
	if bold {
		f.Weight = stdfont.WeightBold
	}
	return text.Style{Color: legible(c), Font: f, Handler: text.Plain{Fonts: fonts()}}
}

// longestLine is how much of a text is drawn, in characters: what is longer leaves the
// picture anyway.
const longestLine = 160

// write draws text.
func write(c *draw.Canvas, s text.Style, pt vg.Point, txt string) {
	c.FillText(s, pt, shorten(txt, longestLine))
}

// fitted cuts a text to a width, and says so by an ellipsis.
func fitted(s text.Style, txt string, width vg.Length) string {
	txt = shorten(txt, longestLine)
	for n := utf8.RuneCountInString(txt); n > 1 && s.Width(txt) > width; n-- {
		txt = shorten(txt, n-1)
	}
	return txt
}

// A card is a picture of fixed size: panels side by side in rows on white.
type card struct {
	width, height int // CSS pixels
	columns       int
	panels        []*panel
	caption       string // how to read it, below the panels; "": nothing
	text          string // says the numbers
}

// The sizes of cards.
const (
	cardWidth  = 960
	cardHeight = 460 // of one row of panels
	gridHeight = 680 // of two rows
	rowHeight  = 310 // of one row of three
)

// grid returns a card of the panels in two columns, or in one if there is one.
func grid(panels ...*panel) *card {
	c := &card{width: cardWidth, height: cardHeight, columns: min(2, max(1, len(panels))), panels: panels}
	if rows := (len(panels) + 1) / 2; rows > 1 {
		c.height = rows * gridHeight / 2
	}
	return c
}

// png draws the card.
func (c *card) png() ([]byte, error) {
	w, h := vg.Length(c.width)*0.75, vg.Length(c.height)*0.75
	img := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(96*resolution), vgimg.UseBackgroundColor(color.White))
	rows := (len(c.panels) + c.columns - 1) / c.columns
	all := draw.New(img)
	const pad = 6
	foot := vg.Length(0)
	if c.caption != "" {
		foot = captionHeight
		style := aligned(lettering(captionSize, false, dim), text.XLeft, text.YBottom)
		write(&all, style, vg.Point{X: pad + 3, Y: pad + 3}, fitted(style, c.caption, w-2*pad))
	}
	for i, p := range c.panels {
		x, y := i%c.columns, i/c.columns
		pw, ph := (w-2*pad)/vg.Length(c.columns), (h-2*pad-foot)/vg.Length(rows)
		cell := all
		cell.Min = vg.Point{X: pad + pw*vg.Length(x), Y: h - pad - ph*vg.Length(y+1)}
		cell.Max = vg.Point{X: cell.Min.X + pw, Y: cell.Min.Y + ph}
		p.draw(cell)
	}
	var out image.Image = img.Image()
	if rgba, ok := out.(*image.RGBA); ok {
		out = paletted(rgba)
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, out); err != nil {
		return nil, fmt.Errorf("show: encoding a picture: %w", err)
	}
	return buf.Bytes(), nil
}

// output returns the card as something to put under a display id ("": none).
// Outside a notebook nothing is drawn.
func (c *card) output(id string) output {
	o := output{id: id, width: c.width, height: c.height, text: c.text}
	if !notebook() {
		return o
	}
	raw, err := drawCard(c)
	if err != nil {
		o.text = err.Error() + "\n" + o.text
		return o
	}
	o.png = raw
	return o
}
