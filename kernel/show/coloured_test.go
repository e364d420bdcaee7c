package show_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// Every quantity colours every token by its own sign and says its number; the legend has
// both ends of one scale.
func TestColoured(t *testing.T) {
	b := batch(3)
	for name, c := range map[string]struct {
		by     show.Quantity
		values [][]float32
		scale  string
		legend string
	}{
		"kl":        {show.ByKL, b.KL, "1", "likelier before training"},
		"reward":    {show.ByReward, b.Reward, "1", "costs"},
		"value":     {show.ByValue, b.Value, "1", "expects less"},
		"advantage": {show.ByAdvantage, b.Advantage, "2", "becomes likelier"},
	} {
		t.Run(name, func(t *testing.T) {
			s := catch(t, func() { show.Coloured(b, 1, c.by) })[0]
			spans := regexp.MustCompile(`<span title="([^"]*)" style="([^"]*)">([^<]*)</span>`).FindAllStringSubmatch(s.HTML, -1)
			if len(spans) != 5 {
				t.Fatalf("%d tokens in\n%s", len(spans), s.HTML)
			}
			scale := map[string]float64{"1": 1, "2": 2}[c.scale]
			for i, span := range spans {
				v := float64(c.values[0][i])
				if want := show.Tinted(v / scale); !strings.HasPrefix(span[2], want) || (want == "" && strings.Contains(span[2], "background")) {
					t.Errorf("token %d, %v, has the style %q, want %q", i, v, span[2], want)
				}
				if i > 0 && !strings.Contains(s.Text, span[1]) {
					t.Errorf("the text lacks %q", span[1])
				}
			}
			for _, want := range []string{c.legend, ">+" + c.scale + "<", ">-" + c.scale + "<", ">0<"} {
				if !strings.Contains(s.HTML, want) {
					t.Errorf("the legend lacks %q: %s", want, s.HTML)
				}
			}
		})
	}
}

// One scale for the whole batch: a row whose values are small stays pale.
func TestColouredOneScale(t *testing.T) {
	b := batch(3)
	b.Advantage[1][0] = 20
	html := catch(t, func() { show.Coloured(b, 1, show.ByAdvantage) })[0].HTML
	if !strings.Contains(html, show.Tinted(0.6/20)) || strings.Contains(html, `title="0.60" style="`+show.Tinted(0.6/2)) {
		t.Error("the tints of a row are those of its own scale")
	}
	b.Advantage[1][3] = 1000 // behind the end of its response
	if again := catch(t, func() { show.Coloured(b, 1, show.ByAdvantage) })[0].HTML; again != html {
		t.Error("a slot that does not count changes the scale")
	}
}

// A phase that is still to come, a quantity that there is not, and no batch end the cell
// with a reason.
func TestColouredTooEarly(t *testing.T) {
	for name, f := range map[string]func(){
		"before Shape":      func() { show.Coloured(batch(1), 1, show.ByKL) },
		"before Advantages": func() { show.Coloured(batch(2), 1, show.ByAdvantage) },
		"no batch":          func() { show.Coloured(nil, 1, show.ByKL) },
		"no quantity":       func() { show.Coloured(batch(3), 1, 9) },
	} {
		code := 0
		show.CatchExit(t, func(c int) { code = c })
		if got := catch(t, f); len(got) > 0 || code != 1 {
			t.Errorf("%s: shown %v, exit code %d, want nothing and 1", name, got, code)
		}
	}
}

func TestColouredOdd(t *testing.T) {
	b := batch(3)
	b.KL[0][1], b.KL[1] = float32(math.NaN()), nil
	b.Mask, b.Prompts = b.Mask[:1], nil
	catch(t, func() {
		show.Coloured(b, 100, show.ByKL)
		show.Coloured(b, -1, show.ByReward)
		b.Pieces = nil
		show.Coloured(b, 2, show.ByValue)
		show.Coloured(&rlhf.Batch{Responses: []string{"x"}, Value: [][]float32{{}}}, 2, show.ByValue)
	})
}

func ExampleColoured() {
	show.Coloured(batch(3), 2, show.ByAdvantage)
	// Output:
	// tour-ppo, step 1: 2 of 2 samples, coloured by advantage A
	// prompt                 response                                            tokens  ended    score  KL, nats  helpful  harmless  verdict
	// Human: What is 3 + 4?  ␣It(0.60) ␣is(0.50) ␣7(0.90) .(−0.20) <end>(−1.10)  5       yes      0.84   0.976     1        0.5       right
	// Human: Name a fruit.   ␣An(0.00) ␣apple(0.00)                              2       cut off  -0.2   0         0.3      0         vague
	// after each token: advantage A, s.d.
}
