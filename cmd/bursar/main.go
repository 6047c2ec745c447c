// Command bursar runs the governance server. It is the one place that knows every
// package and that reads flags and the environment.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad configuration, 4 the store cannot
// be used.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // limits have time zones, machines may have no zone files

	"github.com/alecthomas/kong"
)

const (
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
	exitStore  = 4
)

// exit is an error that says how the process ends.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func exitf(code int, format string, args ...any) error {
	return &exit{code, fmt.Errorf(format, args...)}
}

// commands are what bursar can do.
type commands struct {
	Serve   serveCommand       `cmd:"" default:"withargs" help:"Run the server; what flags without a command are for."`
	Gateway gatewayCommand     `cmd:"" help:"Govern calls of language models on their way to a provider, beside a server that runs elsewhere."`
	Demo    demoCommand        `cmd:"" help:"See it work: a server, an organisation and real traffic, in a minute."`
	MCP     mcpCommand         `cmd:"" name:"mcp" help:"Tell an agent what it may spend: tools of the Model Context Protocol over the standard input and output."`
	Token   tokenCommand       `cmd:"" help:"Make spend tokens, narrow them without a server, look into one, revoke one."`
	Reprice repriceCommand     `cmd:"" help:"Put right what a wrong version of a rate card charged, or what was counted of unread usage."`
	Jobs    jobsCommand        `cmd:"" help:"List long work on a server, such as re-pricing, follow or end it."`
	Prices  pricesCommand      `cmd:"" help:"Import and show model prices."`
	Export  exportStoreCommand `cmd:"" help:"Write a store, or one customer of it, into a file."`
	Import  importStoreCommand `cmd:"" help:"Read such a file into a store."`
	Verify  verifyCommand      `cmd:"" help:"Check a store against its logs; exits with 1 if they differ."`
	Inspect inspectCommand     `cmd:"" help:"Print what the limits of a customer have used, from a store."`
	Repair  repairCommand      `cmd:"" help:"Mend what a store was given while the clock was ahead; tells first, writes with --write."`
	Rebuild rebuildCommand     `cmd:"" help:"Make anew what a store derives from its logs, where it is damaged; tells first, writes with --write."`
	Migrate migrateCommand     `cmd:"" help:"Bring the schema of a PostgreSQL database up to date."`
	Ready   readyCommand       `cmd:"" help:"Ask a server whether it may be used; exits with 1 if not."`
	Version versionCommand     `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" env:"-" help:"Print the version."`
}

type versionCommand struct{}

func (versionCommand) Run(p *process) error {
	_, err := fmt.Fprintln(p.stdout, "bursar", version())
	return err
}

// commit is set where the binary is built without the repository beside it, as in an image.
var commit string

// version is the module's version and the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return versionOf(info, commit)
}

func versionOf(info *debug.BuildInfo, commit string) string {
	setting := map[string]string{}
	for _, s := range info.Settings {
		setting[s.Key] = s.Value
	}
	v := cmp.Or(info.Main.Version, "(devel)")
	at := cmp.Or(commit, setting["vcs.revision"])
	if at == "" {
		return v
	}
	v += " (commit " + at[:min(12, len(at))]
	if setting["vcs.modified"] == "true" {
		v += ", with changes"
	}
	return v + ")"
}

// process is what a command has of the process around it.
type process struct {
	ctx            context.Context // ends at the first SIGINT or SIGTERM
	stdout, stderr io.Writer
}

func main() {
	// Further signals change nothing: stopping takes a bounded time, and wrappers send
	// the same signal twice.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(&process{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

func run(p *process, args []string) int {
	if len(args) == 0 { // somebody looks around; no server, no directory, no key
		args = []string{"--help"}
	}
	var c commands
	ended := -1 // by --help
	parser, err := kong.New(&c, kong.Name("bursar"), kong.Description("Open, self-hosted governance of AI usage."),
		kong.Writers(p.stdout, p.stderr), kong.DefaultEnvars("BURSAR"), kong.Vars{"version": "bursar " + version()}, kong.Exit(func(code int) { ended = code }))
	if err != nil {
		fmt.Fprintln(p.stderr, "bursar:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "bursar: %v\nTry: bursar --help\n", err)
		return exitUsage
	}
	err = parsed.Run(p)
	if err == nil {
		return 0
	}
	fmt.Fprintln(p.stderr, "bursar:", err)
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}
