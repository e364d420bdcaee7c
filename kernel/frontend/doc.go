// Package frontend has no code: it says which programs show and run the notebooks, what
// each gives, and what of ours needs what. Its tests drive JupyterLab in a headless
// Chromium, papermill and the labelling page, press what a person would press, and look at
// what they would see.
//
// # What the notebooks need
//
// Their outputs are image/png, text/html with inline styles only, text/markdown and
// text/plain, each output with a text/plain beside the others; a question for a labeller
// is application/vnd.jupyter.widget-view+json, with text/plain as well. Nothing is
// fetched from a network. Outputs redraw in place by update_display_data, at most five
// times a second, all frames of one size. A notebook shows the same from a file that is
// not trusted. notebooks_test.go holds every committed notebook to this.
//
// The kernel is found by its kernelspec, rlhf-gonb, whose command is an absolute path:
// a front-end needs to know nothing of Go. It interrupts by message (interrupt_mode
// "message"), not by a signal, so the front-end may run on another machine.
//
// # JupyterLab and Notebook 7
//
// `rlhf lab`. Tested: kernel shown idle when the notebook opens; figures that redraw in
// place and do not move the page; the buttons for interrupt and restart; saving, and
// loading again while a cell runs; completion by Tab and documentation by Shift+Tab; the
// dark theme; an edited copy, which is not trusted; text of a model that is HTML; the
// labeller's buttons while a cell runs, after it has ended and after a reload. Output
// that a cell makes after its page was loaded again is lost to the page, which is
// JupyterLab's way: the run goes on, and show.Run draws it. Notebook 7 is the same
// front-end; it is not tested.
//
// # Without a browser
//
// `rlhf run` executes with nbclient, and so do papermill and nbconvert --execute:
//
//	rlhf jupyter papermill notebooks/00_tour.ipynb out.ipynb -p size tiny -p runs my-runs
//	RLHF_SIZE=tiny rlhf jupyter nbconvert --execute --to html notebooks/00_tour.ipynb
//
// papermill has no Go of its own. Set-up gives it the module rlhf_papermill.py, found
// through papermill's entry point: size and runs, which live in the environment, and any
// other parameter as a Go variable behind the cell tagged "parameters", where a later
// declaration of a name replaces the earlier one. A papermill of another environment has
// no such module and refuses -p; RLHF_SIZE and RLHF_RUNS work there as well. Questions to
// labellers are answered by a simulated one, or are an error; nothing waits for ever.
//
// nbconvert's page holds its pictures and highlights Go. From a network it fetches
// MathJax, require.js and Mermaid, which its own template asks for: without one the formulas stay
// as TeX and everything else is there. Markdown has its pictures in a folder beside it, and
// tables as HTML, which GitHub and most renderers take. GitHub shows a notebook's
// pictures, HTML tables and formulas; inline styles it drops, so colours behind words are
// lost there, and the number beside each word is not.
//
// # VS Code
//
// Not run here: from the source of its Jupyter extension (2025) and its issues. The
// extension finds kernelspecs in Jupyter's user folder, so link ours there once,
//
//	mkdir -p ~/.local/share/jupyter/kernels
//	ln -s ~/.local/share/hhrlhf/jupyter/kernels/rlhf-gonb ~/.local/share/jupyter/kernels/
//
// and choose "RLHF (GoNB)" under Select Kernel, Jupyter Kernel. It starts the kernel
// itself, over ZMQ. Or give it the URL that `rlhf lab -- --no-browser` prints, under
// Existing Jupyter Server, which needs no link. By the protocol these work:
//
//   - Cells, the interrupt (it honours interrupt_mode "message") and the restart.
//   - PNG, HTML, Markdown, and their updates in place.
//   - Input boxes, and so RLHF_FEEDBACK=input.
//   - Completion from the kernel, which it asks for kernels of every language
//     (microsoft/vscode-jupyter#14672).
//   - The labeller's buttons: the extension speaks ipywidgets with every kernel. For those
//     that are not Python's it takes version 7 (WIDGET_VERSION_NON_PYTHON_KERNELS), which lacks
//     HTMLStyle and TextStyle (#16923); the proxy's widgets use only classes that are in
//     7 and in 8.
//
// Not known: documentation on hover. Not kept: what a cell shows while its window is
// closed; show.Run draws the run.
//
// # Colab
//
// Not run here: from its documentation. Its own machines have no Go kernel, and no
// kernelspec of ours; "Connect to a local runtime" takes the URL of a Jupyter server on
// the reader's machine, which must allow the page's origin and keep its port:
//
//	rlhf lab -- --no-browser --port 8888 --ServerApp.port_retries=0 \
//		--ServerApp.allow_origin=https://colab.research.google.com --ServerApp.allow_credentials=True
//
// The notebook's metadata name the kernel, rlhf-gonb. By the protocol cells, the interrupt,
// PNG, HTML, Markdown and updates in place work; HTML is put in a frame of its own, which
// inline styles survive. Comms of other kernels than Python's are not promised: there a
// question shows its text and says how to be asked in an input box (RLHF_FEEDBACK=input),
// which is part of the core protocol. The page then runs code on the reader's machine: the
// token in the URL is the key to it.
package frontend
