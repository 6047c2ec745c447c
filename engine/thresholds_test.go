package engine_test

import (
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
)

// TestNoThresholdsStay: that new limits warn at nothing is not forgotten for what is configured.
func TestNoThresholdsStay(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	_, err := r.UpdateSettings(t.Context(), tester, catalogue.SettingsPatch{Thresholds: bursar.Some([]int{})})
	r.must(err)
	for range 2 {
		if got := r.Catalogue().NewThresholds(); len(got) != 0 {
			t.Errorf("new limits warn at %v", got)
		}
		r.close()
		r.open()
	}
	r.close()
}
