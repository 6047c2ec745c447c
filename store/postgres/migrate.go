package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// scripts lead from an empty schema to today's. A schema's version is how many of them
// it has had.
var scripts = readScripts()

func readScripts() (scripts []string) {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, f := range files { // in order of name
		b, err := schemaFiles.ReadFile("schema/" + f.Name())
		if err != nil {
			panic(err)
		}
		scripts = append(scripts, string(b))
	}
	return scripts
}

// migrationLock is the advisory lock under which a database is migrated: "bursar".
const migrationLock = 0x627572736172

const (
	// migrateTimeout bounds a migration with the wait for another process's.
	migrateTimeout = 10 * time.Minute
	// A script waits lockWait for a lock, since others wait behind it, and is tried again
	// after lockPause. lockWait is longer than the server's deadlock_timeout, at whose end an
	// autovacuum gives way, and shorter than two, so that of a circle it is the script that
	// gives up.
	lockWait  = "1500ms"
	lockPause = 500 * time.Millisecond
)

// Migrate brings the database's schema to this program's version, and says from which
// one. Processes that do so at one time wait for each other. A schema that is newer than
// the program is left alone and is an error.
func Migrate(ctx context.Context, url string) (from, to int, err error) {
	return migrateBy(ctx, url, scripts)
}

func migrateBy(ctx context.Context, url string, scripts []string) (from, to int, err error) {
	cfg, schema, err := Options{}.configure(url)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	return migrate(ctx, c, schema, scripts)
}

// migrate runs the scripts that the schema has not had, each in a transaction of its own
// with its version: what fails leaves no trace, and may be tried again. Another process may
// run some of them meanwhile: to − from is how many this call ran.
func migrate(ctx context.Context, c *pgx.Conn, schema string, scripts []string) (from, to int, err error) {
	for ran := 0; ; ran++ {
		version, err := migrateOne(ctx, c, schema, scripts)
		for lockedOut(err) && pause(ctx, lockPause) {
			version, err = migrateOne(ctx, c, schema, scripts)
		}
		if err != nil {
			return max(version-ran, 0), version, fmt.Errorf("postgres: migration: %w", err)
		}
		if version == len(scripts) {
			return version - ran, version, nil
		}
	}
}

// lockedOut tells that what a script needs was locked.
func lockedOut(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && (said.Code == codeLocked || said.Code == codeDeadlock)
}

// pause waits, and tells whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// migrateOne runs the next script, if there is one, and says which version it found.
func migrateOne(ctx context.Context, c *pgx.Conn, schema string, scripts []string) (version int, err error) {
	return version, pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		var made bool
		if version, made, err = schemaVersion(ctx, tx, schema, len(scripts)); err != nil || version == len(scripts) {
			return err
		}
		var sql []string
		if !made {
			if err := createSchema(ctx, tx, schema); err != nil {
				return err
			}
			sql = append(sql, "CREATE TABLE schema_version (version bigint NOT NULL)", "INSERT INTO schema_version VALUES (0)")
		}
		sql = append(sql, fmt.Sprintf("SET LOCAL lock_timeout = '%s'", lockWait), scripts[version], fmt.Sprintf("UPDATE schema_version SET version = %d", version+1))
		for _, s := range sql {
			if _, err := tx.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("to schema %d: %w", version+1, err)
			}
		}
		return nil
	})
}

// createSchema makes the schema unless there is one: who may not make schemas may be
// given one.
func createSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	var made bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)", schema).Scan(&made)
	if err != nil || made {
		return err
	}
	_, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize())
	return err
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaVersion is the version of the schema, 0 if it has not been made; one above newest
// is an error.
func schemaVersion(ctx context.Context, q querier, schema string, newest int) (version int, made bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'schema_version')", schema).Scan(&made)
	if err != nil || !made {
		return 0, false, err
	}
	if err := q.QueryRow(ctx, "SELECT version FROM schema_version").Scan(&version); err != nil {
		return 0, true, err
	}
	if version > newest {
		err = fmt.Errorf("schema %q is version %d, this program knows up to %d: a newer bursar wrote it", schema, version, newest)
	}
	return version, true, err
}

// checkSchema fails unless the schema is this program's.
func checkSchema(ctx context.Context, q querier, schema string) error {
	version, _, err := schemaVersion(ctx, q, schema, len(scripts))
	if err == nil && version < len(scripts) {
		err = fmt.Errorf("schema %q is version %d, this program needs %d: run bursar migrate", schema, version, len(scripts))
	}
	return err
}
