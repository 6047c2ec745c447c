package bursar_test

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// Texts are limited in characters, whatever bytes these take.
func TestTextsAreMeasuredInCharacters(t *testing.T) {
	for _, c := range []struct {
		letter string
		bytes  int
	}{{"a", 1}, {"é", 2}, {"語", 3}, {"🙂", 4}} {
		longest := strings.Repeat(c.letter, bursar.MaxNameLen)
		if len(longest) != c.bytes*bursar.MaxNameLen || bursar.CheckName(longest) != nil || bursar.CheckName(longest+c.letter) == nil {
			t.Errorf("names of %s: %v, %v", c.letter, bursar.CheckName(longest), bursar.CheckName(longest+c.letter))
		}
		value := strings.Repeat(c.letter, bursar.MaxMetadataLen)
		if bursar.CheckMetadata(longest, value) != nil || bursar.CheckMetadata(longest+c.letter, "") == nil || bursar.CheckMetadata("k", value+c.letter) == nil {
			t.Errorf("metadata of %s", c.letter)
		}
		text := strings.Repeat(c.letter, 7)
		if bursar.CheckText(text, 7) != nil || bursar.CheckText(text, 6) == nil || bursar.CheckText("", 0) != nil {
			t.Errorf("texts of %s", c.letter)
		}
	}
	if bursar.CheckName("") == nil {
		t.Error("an empty name is a name")
	}
}
