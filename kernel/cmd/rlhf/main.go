// Command rlhf installs, starts and runs the laboratory.
//
//	rlhf lab                             JupyterLab on the first notebook
//	rlhf run notebooks/00_tour.ipynb     the same notebook without a browser
//	rlhf lm chat -model smollm2          talk to a model; train, eval, sample and export others
//	rlhf pm train -lm smollm2            a preference model; eval and score with it
//	rlhf ppo train -policy a -pm b       reinforcement learning; eval, sample and diagnose
//	rlhf eval tasks -model a             the paper's analyses; rlhf report does the whole study
//	rlhf feedback -policy ppo-1          people compare responses, on a page
//	rlhf bench -what lm                  how fast this machine is
//	rlhf ps                              engines and kernels that run; logs and stop
//	rlhf doctor                          what is installed, what is wrong, what to do
//
// From a checkout with nothing installed: go run ./kernel/cmd/rlhf lab. Each
// command's -h says more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"hhrlhf/kernel/launch"
)

// A command is one subcommand: its line in the overview, its help, its work.
type command struct {
	name     string
	args     string // what follows the flags, for the usage line
	short    string
	long     string // the help's body, examples included
	hidden   bool
	bind     func(fs *flag.FlagSet) func(ctx context.Context, args []string) error
	maxArgs  int // -1: any number
	minimum  int // of arguments
	passArgs bool
	raw      bool      // its arguments are another program's, flags included
	subs     []command // others whose names begin with its own; one without bind only groups them
}

// errUsage ends the program with status 2; what is wrong has been printed.
var errUsage = errors.New("usage")

// errSaid ends the program with status 1; what is wrong has been printed.
var errSaid = errors.New("said already")

func main() {
	launch.Shim()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:], os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(visible(os.Stderr), "rlhf:", err)
		}
		if ctx.Err() != nil {
			os.Exit(130) // as a shell reports an interrupt
		}
		os.Exit(1)
	}
}

func commands() []command {
	return []command{labCommand(), runCommand(), jupyterCommand(), setupCommand(), doctorCommand(),
		lmCommand(), pmCommand(), ppoCommand(), onlineCommand(), analysesCommand(), reportCommand(), feedbackCommand(), benchCommand(), soakCommand(),
		psCommand(), logsCommand(), stopCommand(), kernelCommand(), engineCommand(), probeCommand(), versionCommand()}
}

// dispatch finds the command that args name and runs it.
func dispatch(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		overview(out)
		return errUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 && args[0] == "help" {
			return dispatch(ctx, append(slices.Clone(args[1:]), "-h"), out)
		}
		overview(out)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], out)
		}
	}
	fmt.Fprintf(out, "rlhf: there is no command %q\n\n", args[0])
	overview(out)
	return errUsage
}

func overview(out io.Writer) {
	fmt.Fprint(out, "rlhf: notebooks that train with human feedback\n\n")
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(out, "  rlhf %-9s %s\n", c.name, c.short)
		}
	}
	fmt.Fprint(out, `
Start with:       rlhf lab
Something wrong:  rlhf doctor
More on one:      rlhf help COMMAND

Before the first set-up write "go run ./kernel/cmd/rlhf" for "rlhf".
`)
}

// group finds the command of a group that args name and runs it.
func (c command) group(ctx context.Context, args []string, out io.Writer) error {
	list := func() {
		fmt.Fprintf(out, "usage: rlhf %s COMMAND\n\n%s\n\n", c.name, strings.TrimSpace(c.long))
		for _, s := range c.subs {
			fmt.Fprintf(out, "  rlhf %-10s %s\n", s.name, s.short)
		}
		fmt.Fprintf(out, "\nMore on one:  rlhf %s COMMAND -h\n", c.name)
	}
	if len(args) == 0 {
		list()
		return errUsage
	}
	for _, s := range c.subs {
		if s.name == c.name+" "+args[0] {
			return s.run(ctx, args[1:], out)
		}
	}
	switch args[0] {
	case "-h", "-help", "--help":
		list()
		return nil
	}
	fmt.Fprintf(out, "rlhf %s: there is no command %q\n\n", c.name, args[0])
	list()
	return errUsage
}

// run parses the flags, which may stand before and after the arguments, and
// hands over. Everything behind "--" is left to the command as it is.
func (c command) run(ctx context.Context, args []string, out io.Writer) error {
	// A command that only groups others does nothing by itself.
	if c.subs != nil && (c.bind == nil || len(args) > 0 && !strings.HasPrefix(args[0], "-")) {
		return c.group(ctx, args, out)
	}
	fs := flag.NewFlagSet("rlhf "+c.name, flag.ContinueOnError)
	fs.SetOutput(out)
	do := c.bind(fs)
	fs.Usage = func() {
		fmt.Fprintf(out, "usage: rlhf %s%s\n\n%s\n", c.name, c.usage(fs), strings.TrimSpace(c.long))
		flags := false
		fs.VisitAll(func(*flag.Flag) { flags = true })
		if flags {
			fmt.Fprint(out, "\nFlags:\n")
			fs.PrintDefaults()
		}
	}
	if help := len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]); c.raw && !help && len(args) >= c.minimum {
		return do(ctx, args)
	}
	var rest []string
	if c.passArgs {
		if i := slices.Index(args, "--"); i >= 0 {
			args, rest = args[:i], args[i+1:]
		}
	}
	var plain []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil
			}
			return errUsage
		}
		if fs.NArg() == 0 {
			break
		}
		plain = append(plain, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(plain) < c.minimum || c.maxArgs >= 0 && len(plain) > c.maxArgs {
		fmt.Fprintf(out, "rlhf %s: %d arguments, want %s\nusage: rlhf %s%s\n", c.name, len(plain), c.wanted(), c.name, c.usage(fs))
		return errUsage
	}
	if c.passArgs {
		plain = append(append(plain, "--"), rest...)
	}
	return do(ctx, plain)
}

func (c command) usage(fs *flag.FlagSet) string {
	text := ""
	fs.VisitAll(func(*flag.Flag) { text = " [flags]" })
	if c.args != "" {
		text += " " + c.args
	}
	return text
}

func (c command) wanted() string {
	switch {
	case c.maxArgs < 0:
		return fmt.Sprintf("at least %d", c.minimum)
	case c.minimum == c.maxArgs:
		return fmt.Sprint(c.minimum)
	}
	return fmt.Sprintf("%d to %d", c.minimum, c.maxArgs)
}
