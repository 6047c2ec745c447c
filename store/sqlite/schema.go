package sqlite

import (
	"context"
	_ "embed"
	"fmt"
)

//go:embed schema/log_1.sql
var log1 string

//go:embed schema/state_1.sql
var state1 string

// The scripts that lead from an empty file to today's schema, in order. A file's
// user_version is how many of them it has had.
var (
	logSchema   = []string{log1}
	stateSchema = []string{state1}
)

// migrate runs the scripts that the file has not had, each in a transaction.
func migrate(c *conn, scripts []string) error {
	var version int
	err := c.query(context.Background(), func(r row) error {
		version = int(r.int(0))
		return nil
	}, "PRAGMA user_version")
	if err != nil {
		return err
	}
	if version > len(scripts) {
		return fmt.Errorf("its schema is version %d, this program knows up to %d: a newer bursar wrote it", version, len(scripts))
	}
	for i, script := range scripts[version:] {
		script = fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version=%d;\nCOMMIT", script, version+i+1)
		if err := c.script(script); err != nil {
			return fmt.Errorf("migration to schema %d: %w", version+i+1, err)
		}
	}
	return nil
}
