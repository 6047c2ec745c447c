package catalogue

import (
	"github.com/bursarhq/bursar"
)

// FullKeys counts the live keys of full scope, but not the one with the id but.
func (w *Write) FullKeys(but string) (n int) {
	for _, k := range w.KeyOf {
		if k.ID != but && k.Scope == bursar.ScopeFull && k.Live(w.Now) {
			n++
		}
	}
	return n
}
