package catalogue

import (
	"github.com/bursarhq/bursar"
)

// FullKeys counts the live keys of full scope, without the one of that id.
func (w *Write) FullKeys(but string) (n int) {
	for _, k := range w.KeyOf {
		if k.ID != but && k.Scope == bursar.ScopeFull && k.Live(w.Now) {
			n++
		}
	}
	return n
}
