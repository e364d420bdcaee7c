package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
)

// Options say what a page asks.
type Options struct {
	Log *feedback.Log
	// Policies, one or two, write the responses of conversations. None: the page shows the
	// questions of the log only.
	Policies []feedback.Policy
	Sampling rlhf.Sampling
	// Conversation is what the conversations are like: Mode, Task, First and Turns.
	Conversation feedback.Conversation
	// Review shows the questions of other labellers' conversations too, for a second opinion.
	Review bool
	// Labeller is the name that the page suggests.
	Labeller string
	// Port is the port; 0 takes a free one.
	Port int
	// Ready is called with the URL that opens the page, and with a new one whenever that
	// was used.
	Ready func(url string)
}

//go:embed page.html page.css page.js
var files embed.FS

// cookieName holds the key of a browser that was let in. The port is in it, because
// browsers keep one jar for all ports of a host.
const cookieName = "rlhf-feedback"

// A server is the state of one Serve.
type server struct {
	o    Options
	port int

	mu     sync.Mutex
	token  string // opens the page once
	key    string // of the cookie
	talks  map[string]*sync.Mutex
	talksM sync.Mutex
}

// Serve serves the page until ctx ends, which is no error.
func Serve(ctx context.Context, o Options) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", o.Port))
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	s := &server{o: o, port: l.Addr().(*net.TCPAddr).Port, token: rand.Text(), key: rand.Text(), talks: map[string]*sync.Mutex{}}
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 16,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = h.Shutdown(limit) // what is being recorded is recorded
		h.Close()
	})
	defer stop()
	s.ready()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

func (s *server) ready() {
	if s.o.Ready != nil {
		s.o.Ready(fmt.Sprintf("http://127.0.0.1:%d/?t=%s", s.port, s.token))
	}
}

func (s *server) cookie() string { return fmt.Sprintf("%s-%d", cookieName, s.port) }

// handler checks every request before it reaches a route.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]string{"GET /{$}": "page.html", "GET /page.css": "page.css", "GET /page.js": "page.js"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, file) })
	}
	mux.HandleFunc("GET /next", s.next)
	mux.HandleFunc("POST /say", s.say)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !loopback(r.Host):
			refuse(w, http.StatusMisdirectedRequest, "this page answers as 127.0.0.1 and localhost only")
		case r.URL.Query().Has("t"):
			s.enter(w, r)
		case !s.known(r):
			refuse(w, http.StatusForbidden, "open the page with the URL that rlhf feedback printed last: each works once")
		case r.Method != http.MethodGet && r.Header.Get("Origin") != "http://"+r.Host:
			refuse(w, http.StatusForbidden, "this request comes from another site")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// loopback says whether a request was made to this machine by a name that cannot be
// another's. The port may differ where it was forwarded.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return name == "127.0.0.1" || name == "localhost"
}

// enter lets a browser in that has the token, and makes the next one.
func (s *server) enter(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ok := r.Method == http.MethodGet && equal(r.URL.Query().Get("t"), s.token)
	if ok {
		s.token = rand.Text()
	}
	s.mu.Unlock()
	if !ok && !s.known(r) {
		refuse(w, http.StatusForbidden, "this URL was used already, or is of an earlier start: take the one that rlhf feedback printed last")
		return
	}
	if ok {
		http.SetCookie(w, &http.Cookie{Name: s.cookie(), Value: s.key, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		s.ready()
	}
	http.Redirect(w, r, (&url.URL{Path: "/"}).String(), http.StatusSeeOther) // so that the token is not in the history's last place
}

// known says whether the browser was let in.
func (s *server) known(r *http.Request) bool {
	c, err := r.Cookie(s.cookie())
	return err == nil && equal(c.Value, s.key)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func refuse(w http.ResponseWriter, status int, why string) {
	http.Error(w, strings.ToUpper(why[:1])+why[1:]+".", status)
}
