package bursar

import (
	"iter"
	"strings"
)

// Nearest is the one of names that is most like name, "" when none is; of several the first by its
// characters. It is what a refusal or a warning says may be meant.
func Nearest(name string, names iter.Seq[string]) (best string) {
	if len(name) > maxNearLength {
		return ""
	}
	name = strings.ToLower(name)
	least := max(2, len(name)/3) + 1
	for n := range names {
		if abs := max(len(n)-len(name), len(name)-len(n)); abs > least || abs == least && best == "" {
			continue
		}
		if d := distance(name, strings.ToLower(n)); d < least || d == least && best != "" && n < best {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or replaced.
func distance(a, b string) int {
	if len(a) > maxNearLength || len(b) > maxNearLength {
		return maxNearLength
	}
	var room [maxNearLength + 1]int
	row := room[:len(b)+1]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// maxNearLength bounds the names that are compared.
const maxNearLength = 64
