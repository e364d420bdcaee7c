package data

import (
	"strings"
	"testing"
	"time"
)

func TestPlainText(t *testing.T) {
	for _, c := range []struct{ html, want string }{
		{"", ""},
		{"plain", "plain"},
		{"<p>one</p>\n\n<p>two\nlines</p>\n", "one\n\ntwo lines"},
		{"<p>a  <em>b</em>\t<strong>c</strong>d</p>", "a b cd"},
		{"one<br>two<br/>three<br />\nfour", "one\ntwo\nthree\nfour"},
		{"a<br><br><br>b", "a\n\nb"},
		{"<ul>\n<li>a</li>\n<li>b <b>c</b></li>\n</ul>\n<p>after</p>", "- a\n- b c\n\nafter"},
		{"<p>before</p><ol><li>a</li><li>b</li></ol>", "before\n\n1. a\n2. b"},
		{"<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c"},
		{"<ul><li><p>a</p><p>more</p></li><li><p>b</p></li></ul>", "- a\n\nmore\n\n- b"},
		{"<ul><li></li><li>b</li></ul>", "- b"},
		{"<li>stray</li></ul></ol>", "- stray"},
		{"use <code>x &lt; y</code> here", "use x < y here"},
		{"<pre><code>if x:\n    y  &amp; z\n\n\nend\n</code></pre>\n<p>so</p>", "if x:\n    y  & z\n\n\nend\n\nso"},
		{"<p>a</p><pre>\n\n  b\r\nc</pre>", "a\n\n\n  b\nc"},
		{"<pre>a<b>\n\n</b>b</pre>", "a\n\nb"},
		{"<table><tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>d", "a | b\nc\n\nd"},
		{"caf&eacute; &#39;x&#x27; &quot;&nbsp;&copy &nosuch; AT&T", "café 'x' \"\u00a0© &nosuch; AT&T"},
		{"&lt;p&gt; is text", "<p> is text"},
		{"1 < 2 <3 <- <", "1 < 2 <3 <- <"},
		{`<a href="a>b" title='>'>link</a> <img alt="x > y" src=z>end`, "link end"},
		{"<A HREF=x>Link</A><P>P</P>", "Link\n\nP"},
		{"a<!-- <p>gone</p> -->b<!--> c <!doctype x> d <?php 1 ?>", "ab c d"},
		{"a<script>if (1<2) b</p></script>c<style>p{}</style>d", "acd"},
		{"<blockquote>\n<p>said</p>\n</blockquote>\n<h2>Head</h2><hr>tail", "said\n\nHead\n\ntail"},
		{"kept <a href='lost", "kept"},
		{"kept <!-- lost", "kept"},
		{"CO<sub>2</sub>", "CO2"},
		{"<p>a</p><p> </p><p>b</p>", "a\n\nb"},
	} {
		if got := plainText(c.html); got != c.want {
			t.Errorf("%q:\ngot  %q\nwant %q", c.html, got, c.want)
		}
	}
}

// What takes long in a browser that is written carelessly.
func TestPlainTextIsLinear(t *testing.T) {
	start := time.Now()
	for _, piece := range []string{"<ul><li>", "<", "<!--", "<a b='", "<a =\"", "<li>", "<pre>\n", "<script>", "&", "</"} {
		got := plainText(strings.Repeat(piece, 1<<20/len(piece)))
		if len(got) > 8<<20 {
			t.Errorf("%q repeated to a MiB: %d bytes of text", piece, len(got))
		}
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("ten MiB took %s", d)
	}
}
