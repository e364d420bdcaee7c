package frontend_test

// readable checks the contrast of every text of the cells' outputs against what
// lies behind it: 4.5 is what WCAG 2 asks of text, 3 of large text.
func (n *notebook) readable(cells ...int) {
	n.t.Helper()
	for _, i := range cells {
		type spot struct {
			Text           string
			Contrast, Size float64
		}
		spots := eval[[]spot](n.tab, `(async () => {
			await %s.content.scrollToItem(%d, "start");
			const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
			const over = (below, css) => { // the colour that css makes of what is below
				canvas.fillStyle = "rgb(" + below + ")"; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
				return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)] };
			const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b };
			const out = [], walk = document.createTreeWalker(%s.querySelector(".jp-OutputArea"), NodeFilter.SHOW_TEXT);
			while (walk.nextNode()) {
				const e = walk.currentNode.parentElement, r = e.getBoundingClientRect();
				if (!walk.currentNode.data.trim() || !r.width) { continue }
				const chain = []; for (let a = e; a; a = a.parentElement) { chain.unshift(a) }
				let ground = [255, 255, 255]; for (const a of chain) { ground = over(ground, getComputedStyle(a).backgroundColor) }
				const style = getComputedStyle(e), a = light(over(ground, style.color)), b = light(ground);
				out.push({Text: walk.currentNode.data.trim().slice(0, 40), Contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), Size: parseFloat(style.fontSize)});
			}
			return out })()`, panel, i, cell(i))
		if len(spots) == 0 {
			n.t.Errorf("cell %d: no text to read", i)
		}
		for _, s := range spots {
			if s.Contrast < 4.5 {
				n.t.Errorf("cell %d: %q has a contrast of %.1f, want 4.5", i, s.Text, s.Contrast)
			}
		}
	}
}
