package proxy

// The controls of a widget, as models of ipywidgets 8.

func (p *Proxy) html(w *widget, value string) *model {
	layout := p.openModel(w, laidOut(map[string]any{"width": "auto"}))
	return p.openModel(w, state("HTML", "HTMLView", map[string]any{"value": value, "placeholder": "", "description": "",
		"description_allow_html": false, "layout": layout.reference(), "style": p.openModel(w, styled("DescriptionStyle")).reference()}))
}

func (p *Proxy) box(w *widget, name string, children ...*model) *model {
	var refs []string
	for _, c := range children {
		refs = append(refs, c.reference())
	}
	layout := p.openModel(w, laidOut(map[string]any{"width": "100%"}))
	return p.openModel(w, state(name, name+"View", map[string]any{"children": refs, "box_style": "", "layout": layout.reference()}))
}

func (p *Proxy) button(w *widget, layout *model, description, tooltip string) *model {
	style := p.openModel(w, styled("ButtonStyle"))
	b := p.openModel(w, state("Button", "ButtonView", map[string]any{"description": description, "tooltip": tooltip, "disabled": false,
		"icon": "", "button_style": "", "layout": layout.reference(), "style": style.reference()}))
	b.style = style
	w.inputs = append(w.inputs, b)
	return b
}

func (p *Proxy) textarea(w *widget, placeholder string) *model {
	layout := p.openModel(w, laidOut(map[string]any{"width": "99%", "height": "7em"}))
	a := p.openModel(w, state("Textarea", "TextareaView", map[string]any{"value": "", "placeholder": placeholder, "rows": nil, "continuous_update": true,
		"description": "", "description_allow_html": false, "disabled": false, "layout": layout.reference(), "style": p.openModel(w, styled("DescriptionStyle")).reference()}))
	w.inputs = append(w.inputs, a)
	return a
}
