package postgres

import "context"

// SchemaVersion is what this program knows.
var SchemaVersion = len(scripts)

// Scripts lead to it.
var Scripts = scripts

// MigrateWith is Migrate with other scripts than the program's.
func MigrateWith(ctx context.Context, url string, scripts ...string) (from, to int, err error) {
	return migrateBy(ctx, url, scripts)
}
