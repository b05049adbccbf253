package jobs

import "example.com/identity-webhooks/models"

// trustgatePayloadV1 is the envelope of the older generation around the data of one event type.
type trustgatePayloadV1[D any] struct {
	Data D `json:"data"`
}

type trustgateHitV1 struct {
	ApplicantID string `json:"applicant_id"`
	CheckID     string `json:"check_id"`
	HitType     string `json:"hit_type"`
	HitCount    int    `json:"hit_count"`
	CaseID      string `json:"case_id"`
	Hits        []struct {
		HitID       string  `json:"hit_id"`
		MatchedName string  `json:"matched_name"`
		ListSource  string  `json:"list_source"`
		Confidence  float64 `json:"confidence"`
	} `json:"hits"`
}

func trustgateScreeningHitV1(_ models.Event, p trustgatePayloadV1[trustgateHitV1]) (models.Change, error) {
	s := Screening{
		SubjectID: p.Data.ApplicantID, CheckID: p.Data.CheckID, HitCount: p.Data.HitCount,
		Reason: p.Data.HitType, CaseID: p.Data.CaseID,
	}
	for _, h := range p.Data.Hits {
		if h.HitID == "" {
			return models.Change{}, missing("hit_id")
		}
		s.Hits = append(s.Hits, models.Hit{
			HitID: h.HitID, Type: p.Data.HitType, Name: h.MatchedName, Source: h.ListSource, Confidence: h.Confidence,
		})
	}
	return screeningHit(s)
}

type trustgateCaseV1 struct {
	CaseID   string `json:"case_id"`
	Type     string `json:"type"`
	Priority string `json:"priority"`
	Title    string `json:"title"`
	Subject  struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"subject"`
}

// trustgateCaseCreatedV1 links the case to a person only if it is about one: a company's case must not touch an applicant.
func trustgateCaseCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	o := Opening{
		CaseID:  p.Data.CaseID,
		Opening: models.Opening{Type: p.Data.Type, Priority: p.Data.Priority, Reason: p.Data.Title},
	}
	if p.Data.Subject.Type == "applicant" {
		if p.Data.Subject.ID == "" {
			return models.Change{}, missing("subject.id")
		}
		o.SubjectID = p.Data.Subject.ID
	}
	return caseCreated(o)
}
