// Package webui serves the web interface as it was built into dist: the console of the
// vendor's operators, and the page and script by which the vendor shows governance inside
// its own product. It knows nothing of the API but that it is on the same origin.
package webui

import "embed"

//go:embed all:dist
var dist embed.FS
