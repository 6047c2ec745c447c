package sqlite

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
)

//go:embed schema/log_1.sql
var log1 string

//go:embed schema/log_2.sql
var log2 string

//go:embed schema/log_3.sql
var log3 string

//go:embed schema/log_4.sql
var log4 string

//go:embed schema/log_5.sql
var log5 string

//go:embed schema/log_6.sql
var log6 string

//go:embed schema/log_7.sql
var log7 string

//go:embed schema/log_8.sql
var log8 string

//go:embed schema/log_9.sql
var log9 string

//go:embed schema/state.sql
var state string

// logSchema leads from an empty log.db to today's, script by script. Its user_version
// is how many of them it has had.
var logSchema = []string{log1, log2, log3, log4, log5, log6, log7, log8, log9}

// stateVersion is the user_version of state.db. One of an older schema is made anew,
// as if it had been deleted: its rows may lack what today's program makes of the log.
const stateVersion = 5

// migrateLog runs the scripts that log.db has not had, each in a transaction.
func migrateLog(c *conn) error {
	version, err := schemaVersion(c, len(logSchema))
	if err != nil {
		return err
	}
	for i, script := range logSchema[version:] {
		if err := c.migrate(script, version+i+1); err != nil {
			return err
		}
	}
	return nil
}

// renewSchema drops the tables of an older state.db and makes today's, in one transaction.
func renewSchema(c *conn) error {
	version, err := schemaVersion(c, stateVersion)
	if err != nil || version == stateVersion {
		return err
	}
	var script strings.Builder
	err = c.query(context.Background(), func(r row) error {
		fmt.Fprintf(&script, "DROP TABLE %q;\n", r.text(0))
		return nil
	}, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		return err
	}
	return c.migrate(script.String()+state, stateVersion)
}

// schemaVersion is the file's user_version, which this program knows up to newest.
func schemaVersion(c *conn, newest int) (version int, err error) {
	err = c.query(context.Background(), func(r row) error {
		version = int(r.int(0))
		return nil
	}, "PRAGMA user_version")
	if err == nil && version > newest {
		err = fmt.Errorf("its schema is version %d, this program knows up to %d: a newer bursar wrote it", version, newest)
	}
	return version, err
}

// migrate runs script in a transaction that leads to version.
func (c *conn) migrate(script string, version int) error {
	err := c.script(fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version=%d;\nCOMMIT", script, version))
	if err != nil {
		return fmt.Errorf("migration to schema %d: %w", version, err)
	}
	return nil
}
