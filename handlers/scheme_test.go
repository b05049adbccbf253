package handlers

import (
	"slices"
	"testing"
	"time"
)

// TestSchemes: what a provider says about its signatures is what the contract test knows of them.
func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, s := range schemes {
		p := mustProvider(t, s.provider, s.settings, firstSecret)
		i := slices.IndexFunc(p.Schemes(), func(d Scheme) bool { return d.Signature == s.signature })
		if i < 0 {
			t.Errorf("%s: %s is not among its schemes", s.name, s.signature)
			continue
		}
		d := p.Schemes()[i]
		form := map[bool]string{true: FormTimestampBody, false: FormBody}[s.dated]
		if d.Prefix != s.prefix || !slices.Contains(d.Contents, form) || (d.Timestamp != "") != s.timed {
			t.Errorf("%s: described as %+v", s.name, d)
		}
		limits := [2]time.Duration{d.MaxAge, d.MaxAhead}
		want := map[[2]bool][2]time.Duration{{true, true}: {tolerance, tolerance}, {true, false}: {0, tolerance}}[[2]bool{s.timed, s.expires}]
		if limits != want {
			t.Errorf("%s: limits are %v, want %v", s.name, limits, want)
		}
		if len(d.Contents) > 1 && d.Setting == "" {
			t.Errorf("%s: there is a choice of contents, and no setting for it", s.name)
		}
	}
	if got := mustProvider(t, "trustist", documented, firstSecret).Schemes(); len(got) != 1 || got[0].Signature != "" {
		t.Errorf("trustist: described as %+v", got)
	}
	off := mustProvider(t, "trustgate", Settings{TrustGateFallback: FormOff}, firstSecret).Schemes()
	if len(off) != 1 || off[0].Signature != "X-Webhook-Signature" {
		t.Errorf("trustgate without its fallback: described as %+v", off)
	}
}
