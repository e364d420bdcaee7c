package frontend_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// picturesEnv names a folder to keep the screenshots in, for looking at them.
const picturesEnv = "RLHF_TEST_PICTURES"

// patience is how long a single thing may take on a busy machine.
const patience = time.Minute

// width and height of the window.
const width, height = 1160, 1240

// A browser is a headless Chromium of its own.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// startBrowser starts Chromium, or skips the test where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on PATH, which this test drives; install it (Debian, Ubuntu: apt install chromium)")
	}
	home := t.TempDir()
	m := mark + "=" + rand.Text()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // root and containers have none; only our own pages are opened
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.WindowSize(width, height),
		chromedp.WSURLReadTimeout(time.Minute),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.Env = append(os.Environ(), "HOME="+home, m)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}),
	)
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(alloc, chromedp.WithErrorf(quiet), chromedp.WithLogf(quiet))
	t.Cleanup(func() {
		chromedp.Cancel(ctx)
		stop()
		stopAlloc()
		leftNothing(t, m)
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return &browser{t, ctx}
}

// quiet drops chromedp's complaints about events that are newer than it is.
func quiet(string, ...any) {}

// A tab is one page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string // errors in the page's console
	outside []string // requests that left this machine
	sockets int      // websockets of kernels opened
}

// open opens a page in a new tab, which is closed when the test ends.
func (b *browser) open(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.event)
	// The first Run makes the tab, which ends with that Run's context: the tab's own.
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(width, height), log.Enable(), network.Enable(), page.Enable(),
		page.BringToFront(), emulation.SetFocusEmulationEnabled(true)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.picture("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
			t.Logf("console: %q", p.errors())
		}
		cancel()
	})
	p.visit(url)
	return p
}

// event notes what the page complains about and what it fetches.
func (p *tab) event(e any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			var said []string
			for _, a := range e.Args {
				said = append(said, strings.Trim(string(a.Value), `"`)+a.Description)
			}
			p.console = append(p.console, strings.Join(said, " "))
		}
	case *runtime.EventExceptionThrown:
		p.console = append(p.console, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			p.console = append(p.console, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		if strings.HasPrefix(u, "http") && !strings.HasPrefix(u, "http://127.0.0.1:") {
			p.outside = append(p.outside, u)
		}
	case *network.EventWebSocketCreated:
		if strings.Contains(e.URL, "/channels") {
			p.sockets++
		}
	case *page.EventJavascriptDialogOpening: // "leave the page?", at a reload
		go chromedp.Run(p.ctx, page.HandleJavaScriptDialog(true))
	}
}

// visit goes to a page, without waiting for it.
func (p *tab) visit(url string) {
	p.t.Helper()
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, _, fault, _, err := page.Navigate(url).Do(ctx)
		if err == nil && fault != "" {
			err = fmt.Errorf("%s: %s", url, fault)
		}
		return err
	}))
}

// errors are the console's red lines so far.
func (p *tab) errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

// left are the requests to other machines so far.
func (p *tab) left() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.outside...)
}

func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval evaluates JavaScript in the page.
func eval[T any](p *tab, format string, args ...any) T {
	p.t.Helper()
	v, err := tryEval[T](p, format, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func tryEval[T any](p *tab, format string, args ...any) (v T, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	code := format
	if len(args) > 0 {
		code = fmt.Sprintf(format, args...)
	}
	var raw []byte
	err = chromedp.Run(ctx, chromedp.Evaluate(code, &raw, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		return v, fmt.Errorf("%w, evaluating %s", err, code)
	}
	return v, nil
}

// wait waits until an expression of the page is true.
func (p *tab) wait(what string, limit time.Duration, format string, args ...any) {
	p.t.Helper()
	until(p.t, what, limit, func() (bool, string) {
		ok, err := tryEval[bool](p, "!!("+format+")", args...)
		if err != nil {
			return false, err.Error() // the page may be loading
		}
		return ok, "it is not so"
	})
}

// press presses keys, with modifiers.
func (p *tab) press(keys string, mods ...input.Modifier) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(mods...)))
}

// write types text into the field that has the focus, again if need be: for a moment
// after a script has moved the focus, Chromium delivers keys but inserts no text.
func (p *tab) write(text string) {
	p.t.Helper()
	until(p.t, "the field to say "+text, patience, func() (bool, string) {
		eval[any](p, `document.activeElement.select() || 0`)
		p.press(text)
		said := eval[string](p, `document.activeElement.value`)
		return said == text, said
	})
}

// click clicks on the first visible element that a selector finds.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.clickOn(selector, fmt.Sprintf(`[...document.querySelectorAll(%q)].find(e => e.getBoundingClientRect().width > 0)`, selector))
}

// clickOn clicks on the middle of an element, which is scrolled to.
func (p *tab) clickOn(what, element string) {
	p.t.Helper()
	until(p.t, what+" to click on", patience, func() (bool, string) {
		at, err := tryEval[[]float64](p, `(async () => {
			const e = %s; if (!e) { return [] }
			e.scrollIntoView({block: "nearest"}); await new Promise(requestAnimationFrame);
			const r = e.getBoundingClientRect(), at = [r.x + r.width/2, r.y + r.height/2], there = document.elementFromPoint(...at);
			return r.width && there && (e === there || e.contains(there)) ? at : [] })()`, element)
		if err != nil || len(at) != 2 {
			return false, fmt.Sprint("it is not there, or something lies over it; ", err)
		}
		p.do(chromedp.MouseClickXY(at[0], at[1]))
		return true, ""
	})
}

// clean checks that nothing went wrong in the page, and that it asked only this machine.
func (p *tab) clean() {
	p.t.Helper()
	for _, e := range p.errors() {
		if !harmless(e) {
			p.t.Errorf("the page's console: %s", e)
		}
	}
	if got := p.left(); len(got) > 0 {
		p.t.Errorf("the page asked other machines: %v", got)
	}
}

// harmless are errors that JupyterLab makes for itself; the last is of requests that were
// under way when the kernel was restarted.
func harmless(e string) bool {
	for _, known := range []string{"Connection lost, reconnecting", "/workspaces/", "Canceled future for"} {
		if strings.Contains(e, known) {
			return true
		}
	}
	return false
}

// picture takes a screenshot, of the whole window, and keeps it where
// RLHF_TEST_PICTURES says.
func (p *tab) picture(name string) []byte {
	p.t.Helper()
	var png []byte
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)); err != nil {
		p.t.Logf("screenshot %s: %v", name, err)
		return nil
	}
	if dir := os.Getenv(picturesEnv); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
			p.t.Error(err)
		}
	}
	return png
}
