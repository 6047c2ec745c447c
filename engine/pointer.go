package engine

import "strings"

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer is one key as a part of a JSON pointer (RFC 6901).
func escapePointer(key string) string { return pointerEscapes.Replace(key) }
