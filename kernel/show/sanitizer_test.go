package show_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
)

// untrusted returns the rules by which JupyterLab 4.6.6 strips the HTML of a notebook that
// its reader did not write (class Sanitizer of @jupyterlab/apputils), as far as this
// package's HTML could meet them: elements, attributes, and for each property of an inline
// style the values that pass, which are in testdata. A property that is not there
// has not been looked up yet.
func untrusted(t *testing.T) *bluemonday.Policy {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "lab_styles.json"))
	if err != nil {
		t.Fatal(err)
	}
	var styles map[string]string
	if err := json.Unmarshal(raw, &styles); err != nil {
		t.Fatal(err)
	}
	elements := strings.Fields(`a abbr b blockquote br button caption code col colgroup dd del details dfn div dl dt em h1 h2 h3 h4 h5 h6 hr
		i img input ins kbd label li mark ol option p pre q s samp section select small span strong sub summary sup table tbody td
		textarea tfoot th thead tr u ul var wbr`)
	p := bluemonday.NewPolicy()
	p.AllowElements(elements...)
	p.AllowNoAttrs().OnElements(elements...)
	p.AllowAttrs("class", "dir", "hidden", "lang", "title").Globally()
	p.AllowAttrs("open").OnElements("details")
	p.AllowAttrs("colspan", "rowspan", "align", "valign", "width").OnElements("td", "th")
	for property, values := range styles {
		p.AllowStyles(property).Matching(regexp.MustCompile(values)).Globally()
	}
	return p
}

// visibleParts lists what a page would show of HTML: elements with their styles, and texts.
func visibleParts(t *testing.T, page string) []string {
	t.Helper()
	var parts []string
	text := ""
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		token := z.Token()
		if token.Type == html.TextToken {
			text += token.Data
			continue
		}
		if text != "" {
			parts, text = append(parts, text), ""
		}
		part := token.Type.String() + " " + token.Data
		for _, a := range token.Attr {
			value := a.Val
			if a.Key == "style" {
				var declarations []string
				for _, d := range strings.Split(value, ";") {
					if name, v, ok := strings.Cut(d, ":"); ok {
						declarations = append(declarations, strings.TrimSpace(name)+":"+strings.TrimSpace(v))
					}
				}
				slices.Sort(declarations)
				if value = strings.Join(declarations, ";"); value == "" {
					continue
				}
			}
			part += " " + a.Key + "=" + value
		}
		parts = append(parts, part)
	}
	return append(parts, text)
}

// The rules do what was seen in a browser: reference for the table of outputs below.
func TestUntrusted(t *testing.T) {
	p := untrusted(t)
	for in, want := range map[string]string{
		`<b>a</b><script>alert(1)</script>`:                      `<b>a</b>`,
		`<style>td{color:red}</style><td>x</td>`:                 `<td>x</td>`,
		`<svg><text>0 1 2</text></svg>`:                          `0 1 2`, // the picture is lost, its words are not
		`<div onclick="f()">x</div>`:                             `<div>x</div>`,
		`<form action="/x"><button>go</button></form>`:           `<button>go</button>`,
		`<iframe src="x"></iframe>`:                              ``,
		`<td style="color:var(--jp-ui-font-color1,#888)">x</td>`: `<td>x</td>`,
		`<td style="overflow-wrap:anywhere">x</td>`:              `<td>x</td>`,
		`<td style="position:fixed">x</td>`:                      `<td>x</td>`,
		`<td style="color:#111111">x</td>`:                       `<td style="color: #111111">x</td>`,
		`<details><summary>s</summary>x</details>`:               `<details><summary>s</summary>x</details>`,
		`<img src=x onerror=y>`:                                  `<img>`,
		`<span title="k" style="width:33.3%">x</span>`:           `<span title="k" style="width: 33.3%">x</span>`,
	} {
		if got := p.Sanitize(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
