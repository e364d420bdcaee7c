package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// Options says what to serve, and where.
type Options struct {
	// Socket is the path of the unix socket. Its folder is made with mode 0700,
	// or must have it already.
	Socket string
	// Lab is what is served.
	Lab rlhf.Lab
	// Name is what people call the engine, in rlhf ps and lab.At. "": no name.
	Name string
	// LogFile is the path of the log, for rlhf logs. "": standard error, wherever that leads.
	LogFile string
	// Version names this build in replies and errors. "": wire.Version.
	Version string
	// Log receives what goes wrong. nil: nothing is logged.
	Log *slog.Logger
	// Ready, if any, is called once the socket accepts calls.
	Ready func()
	// Grace is how long a shutdown waits for the step in progress. 0: 30 s.
	Grace time.Duration
	// MaxBody bounds a request's body in bytes. 0: 256 MiB, which a batch of
	// 4096 responses of 512 tokens fits.
	MaxBody int64
	// Still is how long a run may stand still before those who watch it are told that
	// it does. 0: 10 s.
	Still time.Duration
}

var (
	errShutdown    = errors.New("the engine is shutting down")
	errInterrupted = errors.New("interrupted")
	errStopped     = errors.New("stopped")
)

// Serve serves o.Lab until ctx ends; then it lets the step in progress finish,
// removes the socket and returns nil. It returns an error if the socket is not
// safe, too long, or served by another engine.
func Serve(ctx context.Context, o Options) error {
	if o.Lab == nil {
		return errors.New("engine: no lab to serve")
	}
	if o.Version == "" {
		o.Version = wire.Version()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 256 << 20
	}
	if o.Still == 0 {
		o.Still = 10 * time.Second
	}
	l, err := socket.Listen(o.Socket, socket.About{Name: o.Name, Log: o.LogFile, Version: o.Version})
	if err != nil {
		return err
	}
	defer l.Close()

	base, end := context.WithCancelCause(context.Background())
	defer end(nil)
	s := &server{o: o, base: base, calls: map[string]*call{}, open: map[*call]bool{}}
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	o.Log.Info("engine ready", "socket", o.Socket, "pid", os.Getpid(), "version", o.Version, "protocol", wire.ProtocolID())
	if o.Ready != nil {
		o.Ready()
	}

	select {
	case err := <-served:
		return fmt.Errorf("engine: %w", err)
	case <-ctx.Done():
	}
	o.Log.Info("engine shutting down")
	end(errShutdown) // every call ends at its next step boundary
	grace, cancel := context.WithTimeout(context.Background(), o.Grace)
	defer cancel()
	err = srv.Shutdown(grace)
	srv.Close()
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("engine: a call did not end within %v of the shutdown; its run continues from its last step", o.Grace)
	}
	return err
}
