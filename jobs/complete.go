package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"example.com/identity-webhooks/models"
)

// maxID is the longest ID in bytes. Both databases can index it.
const maxID = 255

// complete refuses facts that do not say which person, case or company they are about, or whose ID of one is too long: a shortened ID would
// find nobody. Other IDs that are too long are replaced by a digest.
func complete(f *models.Facts) error {
	aboutPerson := len(f.Profile)+len(f.Decisions)+len(f.Checks)+len(f.Hits)+len(f.Resolutions) > 0
	if aboutPerson && f.SubjectID == "" {
		return missing("ID of the person")
	}
	if err := fits(f.SubjectID, "person"); err != nil {
		return err
	}
	if c := f.Case; c != nil {
		if aboutPerson && len(c.CaseID) > maxID { // the event is about the person: drop only the case
			f.Case = nil
			f.Drift = append(f.Drift, "the case's ID is too long")
		} else if err := identified(c.CaseID, "case"); err != nil {
			return err
		} else if err := fits(c.CompanyID, "company"); err != nil {
			return err
		}
	}
	if c := f.Company; c != nil {
		if err := identified(c.CompanyID, "company"); err != nil {
			return err
		}
		if c.Owner != nil {
			if c.Owner.OwnerID == "" {
				return missing("ID of the owner")
			}
			c.Owner.OwnerID = shortID(c.Owner.OwnerID)
		}
	}
	if id, _ := f.Profile[models.ExternalID].(string); len(id) > maxID {
		delete(f.Profile, models.ExternalID)
		f.Drift = append(f.Drift, "the person's external ID is too long")
	}
	for i := range f.Checks {
		f.Checks[i].CheckID = shortID(f.Checks[i].CheckID)
	}
	for i, h := range f.Hits {
		f.Hits[i].HitID, f.Hits[i].CaseID = shortID(h.HitID), shortID(h.CaseID)
		for j := range h.CheckIDs {
			h.CheckIDs[j] = shortID(h.CheckIDs[j])
		}
	}
	for i := range f.Resolutions {
		if f.Resolutions[i].HitID == "" {
			return missing("ID of the hit")
		}
		f.Resolutions[i].HitID = shortID(f.Resolutions[i].HitID)
	}
	return nil
}

// missing returns the error of a payload that lacks what its event is about.
func missing(what string) error { return fmt.Errorf("%w: payload has no %s", ErrPermanent, what) }

func identified(id, of string) error {
	if id == "" {
		return missing("ID of the " + of)
	}
	return fits(id, of)
}

func fits(id, of string) error {
	if len(id) > maxID {
		return fmt.Errorf("%w: the ID of the %s is longer than %d bytes", ErrPermanent, of, maxID)
	}
	return nil
}

func shortID(id string) string {
	if len(id) <= maxID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}
