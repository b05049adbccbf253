package jobs

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/identity-webhooks/models"
)

// Whatever a screening says, one that found somebody never counts as clear, holds as many hits as it found, and says so in whatever
// word for its status.
func TestScreeningNeverWeakensAnAlarm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Screening{
			Person:   Person{ID: "p"},
			Status:   rapid.SampledFrom([]models.CheckStatus{models.CheckClear, models.CheckHit, models.CheckError, models.CheckNotRun, models.CheckInReview}).Draw(t, "status"),
			HitCount: rapid.IntRange(-1, 3).Draw(t, "count"),
		}
		for _, id := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c"}), 0, 5).Draw(t, "hits") {
			s.Hits = append(s.Hits, models.Hit{HitID: id})
		}
		f := screeningCompleted(s)
		found := s.HitCount > 0 || len(s.Hits) > 0
		check := f.Checks[0]
		switch {
		case s.Status == models.CheckClear && found:
			if check.Status != models.CheckInReview {
				t.Errorf("a clear screening with hits is %s", check.Status)
			}
		case s.Status == models.CheckHit || found:
			ids := map[string]bool{}
			for _, h := range f.Hits {
				ids[h.HitID] = true
			}
			unnamed := len(slices.DeleteFunc(slices.Clone(s.Hits), func(h models.Hit) bool { return h.HitID != "" }))
			if check.Status != models.CheckHit || check.HitCount < max(s.HitCount, len(ids)+unnamed) || len(ids) != len(f.Hits) {
				t.Errorf("%+v became %+v with %d hits", s, check, len(f.Hits))
			}
		case check.Status != s.Status:
			t.Errorf("%s became %s", s.Status, check.Status)
		}
	})
}
