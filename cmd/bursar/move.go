package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/transfer"
)

// storeFlags say which store a command works on, without a server. That the environment
// has a directory does not count: what is moved is better named.
type storeFlags struct {
	Data        string `help:"Directory of the embedded store, whose server must be stopped." env:"-" type:"path" placeholder:"DIR"`
	DatabaseURL string `help:"PostgreSQL, where --data is not given. Set BURSAR_DATABASE_URL or BURSAR_DATABASE_URL_FILE rather than the flag, which others on the machine can see." env:"BURSAR_DATABASE_URL" placeholder:"URL"`
}

// openStore opens the store that the flags name. An embedded one is made if create is set.
func (f *storeFlags) openStore(p *process, create bool) (store.Store, error) {
	return f.open(p, create, openEmbedded)
}

// open is openStore by embedded where the store is in a directory.
func (f *storeFlags) open(p *process, create bool, embedded func(dir string, log *slog.Logger) (store.Store, error)) (store.Store, error) {
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	if f.Data == "" {
		if err := secretFile(&f.DatabaseURL, "BURSAR_DATABASE_URL", os.Getenv); err != nil {
			return nil, err
		}
		if f.DatabaseURL == "" {
			return nil, exitf(exitUsage, "which store? --data DIR or --database-url URL")
		}
		// A batch of an import is larger than what servers write, and nobody waits for it.
		return openDatabase(p.ctx, f.DatabaseURL, databaseOptions{log: log, timeout: time.Minute})
	}
	if f.DatabaseURL != os.Getenv("BURSAR_DATABASE_URL") {
		return nil, exitf(exitUsage, "--data and --database-url name two stores; give one of them")
	}
	if _, err := os.Stat(filepath.Join(f.Data, "log.db")); err != nil && !create {
		return nil, exitf(exitConfig, "--data: there is no store in %s", f.Data)
	}
	return embedded(f.Data, log)
}

type migrateCommand struct {
	DatabaseURL string `help:"PostgreSQL. Set BURSAR_DATABASE_URL or BURSAR_DATABASE_URL_FILE rather than the flag, which others on the machine can see." env:"BURSAR_DATABASE_URL" placeholder:"URL"`
}

func (c *migrateCommand) Run(p *process) error {
	if err := secretFile(&c.DatabaseURL, "BURSAR_DATABASE_URL", os.Getenv); err != nil {
		return err
	}
	if c.DatabaseURL == "" {
		return exitf(exitUsage, "which database? --database-url URL")
	}
	from, to, err := migrateDatabase(p.ctx, c.DatabaseURL)
	switch {
	case err != nil:
		return err
	case from == to:
		_, err = fmt.Fprintf(p.stdout, "The schema is version %d already.\n", to)
	default:
		_, err = fmt.Fprintf(p.stdout, "The schema was version %d and is version %d.\n", from, to)
	}
	return err
}

// exportStoreCommand writes a store into a file.
type exportStoreCommand struct {
	storeFlags `embed:""`
	Customer   string `help:"Only this customer, with the environment's catalogue." env:"-" placeholder:"ID"`
	Out        string `help:"The file, which is replaced when the export is complete; standard output by default." env:"-" type:"path" placeholder:"FILE"`
}

func (*exportStoreCommand) Help() string {
	return `The file has everything, line by line as JSON: the log of each customer and that of the environment,
with checksums, and the alerts that are not delivered. "bursar import" reads it into a store of any kind.
It is as sensitive as the database: the environment's secret and those of webhooks are in it.
An embedded store is exported while its server is stopped; PostgreSQL at any time, each customer as of one moment.`
}

func (c *exportStoreCommand) Run(p *process) (err error) {
	s, err := c.openStore(p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	to, finish, err := c.output(p)
	if err != nil {
		return err
	}
	began := time.Now()
	buffer := bufio.NewWriterSize(to, 1<<20)
	t, err := transfer.Export(p.ctx, s, buffer, transfer.ExportOptions{Customer: c.Customer, Version: version(), Created: bursar.TimeOf(began),
		Progress: progress(p.stderr, "exported")})
	if err = errors.Join(err, buffer.Flush()); err != nil {
		_ = finish(false)
		return exitf(exitFailed, "%w\nThe export is not complete and of no use.", err)
	}
	if err := finish(true); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "Exported %s commits of %s, %s undelivered messages; %s.\n", commas(t.Commits), customers(t), commas(t.Messages), rate(t, began))
	return nil
}

// output is where the export goes. A file has its name once it is complete.
func (c *exportStoreCommand) output(p *process) (io.Writer, func(complete bool) error, error) {
	if c.Out == "" {
		return p.stdout, func(bool) error { return nil }, nil
	}
	if st, err := os.Lstat(c.Out); err == nil && !st.Mode().IsRegular() {
		return nil, nil, exitf(exitConfig, "--out: %s is no regular file, and would be replaced; name the file itself, or leave --out away for standard output", c.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), filepath.Base(c.Out)+".partial-*") // nobody else's, and its owner's alone
	if err != nil {
		return nil, nil, exitf(exitConfig, "--out: %w", err)
	}
	part := f.Name()
	return f, func(complete bool) error {
		if !complete {
			return errors.Join(f.Close(), os.Remove(part))
		}
		err := errors.Join(f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(part, c.Out)
		}
		if err != nil {
			return exitf(exitFailed, "--out: %w", errors.Join(err, os.Remove(part)))
		}
		return nil
	}, nil
}

// importStoreCommand reads what exportStoreCommand wrote.
type importStoreCommand struct {
	storeFlags `embed:""`
	In         string `help:"The file; standard input by default. A file is checked whole before anything is written." env:"-" type:"path" placeholder:"FILE"`
	DryRun     bool   `help:"Check the file and the store, write nothing." env:"-"`
}

func (*importStoreCommand) Help() string {
	return `Nothing else may use the store meanwhile: an import refuses a store that is served from, or was 10 seconds ago, and
nodes do not start while it runs. A whole environment goes into a store that no server was started on;
one customer also into an environment with the same secret that has the entity types, features and currencies it uses.
What is there already is compared and skipped, so an import that was interrupted can be run again. When it is done, each
log is read back and folded, and its state compared with the one that was exported.`
}

func (c *importStoreCommand) Run(p *process) (err error) {
	in := io.Reader(os.Stdin)
	if c.In != "" {
		f, err := os.Open(c.In)
		if err != nil {
			return exitf(exitConfig, "--in: %w", err)
		}
		defer f.Close()
		in = f
	}
	s, err := c.openStore(p, !c.DryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	if f, ok := in.(*os.File); ok && c.In != "" && !c.DryRun {
		if _, err := transfer.Import(p.ctx, s, bufio.NewReaderSize(f, 1<<20), transfer.ImportOptions{DryRun: true, Progress: progress(p.stderr, "checked")}); err != nil {
			return exitf(exitFailed, "%w\nNothing was written.", err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return exitf(exitFailed, "--in: it was checked, but cannot be read from its beginning again: %w", err)
		}
	}
	return c.run(p, s, in)
}

func (c *importStoreCommand) run(p *process, s store.Store, in io.Reader) error {
	began := time.Now()
	t, err := transfer.Import(p.ctx, s, in, transfer.ImportOptions{DryRun: c.DryRun, Progress: progress(p.stderr, "read")})
	if errors.Is(err, store.ErrServed) && t.Written == 0 {
		return exitf(exitStore, "%w\nNothing was written.", err)
	}
	did := "Imported"
	if c.DryRun {
		did = "Would import"
	}
	fmt.Fprintf(p.stderr, "%s %s commits and %s messages; %s commits were there already. %s.\n",
		did, commas(t.Written), commas(t.Added), commas(t.Present), rate(t, began))
	if t.Dropped > 0 {
		fmt.Fprintf(p.stderr, "%s messages were left out: their webhooks are not in this environment.\n", commas(t.Dropped))
	}
	switch {
	case err == nil && !c.DryRun:
		fmt.Fprintf(p.stderr, "Each of %s was read back and folds to the state that was exported.\n", customers(t))
		return nil
	case err == nil:
		return nil
	case errors.Is(err, transfer.ErrMismatch):
		return exitf(exitFailed, "%w", err)
	case s.Err() != nil:
		return exitf(exitStore, "%w", err)
	}
	if t.Seq > 0 {
		err = fmt.Errorf("%w\n%s is there up to commit %d", err, ofStream(t.Stream), t.Seq)
	}
	return exitf(exitFailed, "%w\nThe import is not complete. What is there is right; the same command does the rest once the cause is gone.", err)
}

func ofStream(name string) string {
	if name == store.CatalogueStream {
		return "The catalogue"
	}
	return fmt.Sprintf("Customer %q", name)
}

func closed(s store.Store) error {
	if err := s.Close(); err != nil {
		return exitf(exitStore, "closing the store: %w", err)
	}
	return nil
}

// customers counts what a transfer has beside the catalogue.
func customers(t transfer.Transfer) string {
	n := max(t.Streams, 1) - 1
	if n == 1 {
		return "the catalogue and 1 customer"
	}
	return fmt.Sprintf("the catalogue and %s customers", commas(n))
}

func rate(t transfer.Transfer, began time.Time) string {
	took := max(time.Since(began).Seconds(), 1e-3)
	return fmt.Sprintf("%.1f MB in %.1f s, %.1f MB/s, %.0f commits/s", float64(t.Bytes)/1e6, took, float64(t.Bytes)/1e6/took, float64(t.Commits)/took)
}

// progress tells how far a transfer has come, at most every two seconds.
func progress(to io.Writer, done string) func(transfer.Transfer) {
	last := time.Now()
	return func(t transfer.Transfer) {
		if now := time.Now(); now.Sub(last) >= 2*time.Second {
			last = now
			fmt.Fprintf(to, "%s so far: %.1f MB, %s commits of %s\n", done, float64(t.Bytes)/1e6, commas(t.Commits), customers(t))
		}
	}
}
