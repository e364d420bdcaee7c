package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// chatFlags are the flags of rlhf lm chat.
type chatFlags struct {
	modelFlags
	generationFlags
	system  string
	context int
}

func chatCommand(s shell) command {
	return command{
		name: "lm chat", short: "talk to a model",
		long: `
A line is what you say; the answer comes token by token. Ctrl-C breaks an answer off
and keeps what was said of it; ctrl-D, or ctrl-C at the prompt, ends. Where
conversation and answer no longer fit into -context tokens, the oldest turns are left
out, and you are told.

  rlhf lm chat -model smollm2
  rlhf lm chat -model smollm2 -system 'Answer in one sentence.' -temperature 0
  rlhf lm chat -model first -max-tokens 32
  printf 'Hi.\nWhat is 2+2?\n' | rlhf lm chat -model smollm2 -json

  /reset   begin anew
  /exit    end

With -json, one object for each answer: user, assistant, whether it was broken off,
and how many old turns were left out.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f chatFlags
			f.modelFlags.bind(fs)
			f.generationFlags.bind(fs, 0.7, 256)
			fs.StringVar(&f.system, "system", "", "`text` of a system turn before the conversation")
			fs.IntVar(&f.context, "context", 2048, "`tokens` of conversation and answer, at most the model's context; reading a long one takes time and memory")
			return func(ctx context.Context, _ []string) error { return runChat(ctx, s, f) }
		},
	}
}

// An exchange is one line of what chat prints with -json.
type exchange struct {
	User        string `json:"user"`
	Assistant   string `json:"assistant"`
	Interrupted bool   `json:"interrupted"`
	Dropped     int    `json:"dropped_turns"` // that no longer fit into the context
}

func runChat(ctx context.Context, s shell, f chatFlags) error {
	const command = "lm chat"
	if err := f.check(command); err != nil {
		return err
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	a := m.About()
	f.Chat = true
	f.context = min(f.context, a.Shape.Context)
	if f.context < 2 {
		return fmt.Errorf("%s: -context %d, want 2 or more tokens", command, f.context)
	}
	if f.MaxTokens >= f.context {
		f.MaxTokens = f.context / 2
		fmt.Fprintf(s.err, "%s: conversation and answer have %d tokens together, so an answer gets at most %d\n", command, f.context, f.MaxTokens)
	}
	if err := f.load(s, m, command, m.GenerateBytes(1, f.context-f.MaxTokens, f.Generation), "take a smaller -context"); err != nil {
		return err
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	c := &chat{shell: s, flags: f, model: m, room: f.context - f.MaxTokens, interrupts: interrupts}
	if !f.asJSON {
		fmt.Fprintf(s.err, "%s, %s parameters, %d tokens of conversation. /reset begins anew, ctrl-D ends.\n", a.Name, count(a.Params), f.context)
	}
	if a.Template == "" && a.Family != local.FamilyRun {
		fmt.Fprintf(s.err, "%s has no chat template, so it sees the paper's Human and Assistant\n", a.Name)
	}
	// An interrupt that ends an answer has ended ctx, too; what follows must not mind.
	return c.run(context.WithoutCancel(ctx))
}

// A chat is a conversation in progress.
type chat struct {
	shell
	flags      chatFlags
	model      languageModel
	room       int // tokens for the conversation
	interrupts <-chan os.Signal
	turns      []rlhf.Turn
	answers    uint64 // so far; each has a seed of its own
}

// run reads lines and answers them until the input or an interrupt ends it.
func (c *chat) run(ctx context.Context) error {
	lines, failed := c.lines()
	for {
		if !c.flags.asJSON {
			fmt.Fprint(c.err, "> ")
		}
		var line string
		select {
		case <-c.interrupts:
			fmt.Fprintln(c.err)
			return nil
		case l, ok := <-lines:
			if !ok {
				if !c.flags.asJSON {
					fmt.Fprintln(c.err)
				}
				return <-failed
			}
			line = strings.TrimSpace(l)
		}
		switch {
		case line == "":
		case line == "/exit":
			return nil
		case line == "/reset":
			c.turns = nil
			fmt.Fprintln(c.err, "(a new conversation)")
		case strings.HasPrefix(line, "/"):
			fmt.Fprintf(c.err, "(there is no %s; /reset and /exit are all)\n", line)
		default:
			if err := c.answer(ctx, line); err != nil {
				return err
			}
		}
	}
}

// lines reads the input in the background, so that waiting for a line can end.
func (c *chat) lines() (lines <-chan string, failed <-chan error) {
	out, bad := make(chan string), make(chan error, 1)
	go func() {
		defer close(out)
		in := bufio.NewReader(c.in)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				out <- line
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				bad <- err
				return
			}
		}
	}()
	return out, bad
}

// answer lets the model answer one line of the user's.
func (c *chat) answer(ctx context.Context, line string) error {
	turns := append(c.turns[:len(c.turns):len(c.turns)], rlhf.Turn{Text: line})
	ids, kept, err := c.model.Layout(turns, c.flags.system, c.room)
	if err != nil {
		fmt.Fprintf(c.err, "(%v; say it in fewer words)\n", err)
		return nil
	}
	dropped := len(turns) - len(kept)
	if dropped > 0 {
		fmt.Fprintf(c.err, "(the conversation no longer fits into %d tokens: its oldest %d turns are left out from now on)\n", c.room, dropped)
	}
	g := c.flags.Generation
	g.Seed += c.answers
	c.answers++

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	interrupted := make(chan bool, 1)
	go func() {
		select {
		case <-c.interrupts:
			stop()
			interrupted <- true
		case <-ctx.Done():
			interrupted <- false
		}
	}()
	var text strings.Builder
	for piece, err := range c.model.Stream(ctx, ids, g) {
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("lm chat: %w", err)
		}
		if text.Len() == 0 { // templates and the paper's format differ in the space before an answer
			piece = strings.TrimLeft(piece, " \n")
		}
		text.WriteString(piece)
		if !c.flags.asJSON {
			if _, err := io.WriteString(c.out, piece); err != nil {
				return err
			}
		}
	}
	stop() // from here on an interrupt is not this answer's
	e := exchange{User: line, Assistant: strings.TrimSpace(text.String()), Interrupted: <-interrupted, Dropped: dropped}
	if e.Interrupted {
		fmt.Fprintln(c.err, " (broken off)")
	}
	c.turns = append(kept[:len(kept):len(kept)], rlhf.Turn{Assistant: true, Text: e.Assistant})
	if c.flags.asJSON {
		return printJSON(c.out, e)
	}
	_, err = fmt.Fprintln(c.out)
	return err
}
