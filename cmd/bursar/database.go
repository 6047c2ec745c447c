package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/sqlite"
)

// This file has every choice between kinds of stores: what a URL or a directory means.

// databaseOptions are what commands say of a database. What is zero has its default.
type databaseOptions struct {
	log      *slog.Logger
	timeout  time.Duration // of one transaction
	maxConns int
}

// openDatabase opens the database at url, whose schema it brings up to this program's.
func openDatabase(ctx context.Context, url string, o databaseOptions) (store.Store, error) {
	s, err := postgres.Open(ctx, url, postgres.Options{Log: o.log, Timeout: o.timeout, MaxConns: o.maxConns})
	if err != nil {
		return nil, exitf(exitStore, "the database cannot be used: %w", err)
	}
	return s, nil
}

// migrateDatabase brings the schema of the database at url up to this program's, and says
// between which versions.
func migrateDatabase(ctx context.Context, url string) (from, to int, err error) {
	if from, to, err = postgres.Migrate(ctx, url); err != nil {
		return 0, 0, exitf(exitStore, "the database cannot be migrated: %w", err)
	}
	return from, to, nil
}

// openEmbedded opens the store in a directory, or makes it.
func openEmbedded(dir string, log *slog.Logger) (store.Store, error) {
	return openDirectory(dir, sqlite.Options{Log: log})
}

func openDirectory(dir string, o sqlite.Options) (store.Store, error) {
	s, err := sqlite.Open(dir, o)
	if err != nil {
		return nil, exitf(exitStore, "the store in %s cannot be used: %w", dir, err)
	}
	return s, nil
}

// checkEmbedded finds each place of the files in dir that is not what was written.
func checkEmbedded(dir string, found func(place string)) error { return sqlite.Check(dir, found) }

// storeName is where a store is, without what is secret of it: of a database at url, or of
// one in a directory if there is no url.
func storeName(url, dir string) string {
	if url != "" {
		return "PostgreSQL"
	}
	return dir
}

// salvageEmbedded makes the files of the store in dir anew from what can be read of them, and finishEmbedded says that
// what is derived of its logs is there again; until then openUnfinished opens it alone.
func salvageEmbedded(dir string, lost func(what string)) error { return sqlite.Salvage(dir, lost) }

func finishEmbedded(dir string) error { return sqlite.Finish(dir) }

func openUnfinished(dir string, log *slog.Logger) (store.Store, error) {
	return openDirectory(dir, sqlite.Options{Log: log, Unfinished: true})
}
