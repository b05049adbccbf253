package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestTrustistToken(t *testing.T) {
	t.Parallel()
	const first, second = "ti_5e0c9b7a41d2836f", "ti_77b10e4f9a2c6d38"
	p := mustProvider(t, "trustist", documented, first, second)
	for token, want := range map[string]Reason{
		first:                  "",
		second:                 "",
		"":                     WrongToken,
		"ti_5e0c9b7a41d28360":  WrongToken,
		first[:len(first)-1]:   WrongToken,
		first + "0":            WrongToken,
		first + "\x00":         WrongToken,
		first + second:         WrongToken,
		first + "," + second:   WrongToken,
		strings.ToUpper(first): WrongToken,
		" " + first:            WrongToken,
	} {
		_, err := p.Verify(Delivery{Token: token, Body: []byte(trustistOlder), ReceivedAt: noon})
		if t.Run(strconv.Quote(token), func(t *testing.T) { wantReason(t, err, want) }); err != nil && strings.Contains(err.Error(), "ti_") {
			t.Errorf("the error tells a token: %v", err)
		}
	}
	if got, want := p.Sign(nil, noon).Path, "trustist/"+first; got != want {
		t.Errorf("Sign: path %q, want %q", got, want)
	}
}

// TestTrustGateTwoSignatures: X-Webhook-Signature decides, and the other one is only heard when it comes alone.
func TestTrustGateTwoSignatures(t *testing.T) {
	t.Parallel()
	const other = "X-TrustGate-Signature"
	timed, plain, wrong := hexMAC(firstSecret, unix(0)+"."+tgReviewed), hexMAC(firstSecret, tgReviewed), hexMAC("wrong", tgReviewed)
	off := Settings{TrustGateFallback: FormOff}
	for _, c := range []struct {
		name     string
		settings Settings
		main     string // empty: not sent
		others   []string
		want     Reason
		warns    bool
	}{
		{"both right", documented, timed, []string{"sha256=" + timed}, "", false},
		{"both right, the other over the body", documented, timed, []string{"sha256=" + plain}, "", false},
		{"other wrong", documented, timed, []string{"sha256=" + wrong}, "", true},
		{"other malformed", documented, timed, []string{"nonsense"}, "", true},
		{"other empty", documented, timed, []string{""}, "", true},
		{"other repeated", documented, timed, []string{"sha256=" + timed, "sha256=" + timed}, "", true},
		{"main alone", documented, timed, nil, "", false},
		{"main wrong, other right", documented, wrong, []string{"sha256=" + timed}, WrongSecret, false},
		{"main malformed, other right", documented, "nonsense", []string{"sha256=" + timed}, MalformedSignature, false},
		{"main wrong, other right over the body", bodyAlone, wrong, []string{"sha256=" + plain}, WrongSecret, false},
		{"other alone", documented, "", []string{"sha256=" + timed}, "", false},
		{"other alone, switched off", off, "", []string{"sha256=" + timed}, MissingSignature, false},
		{"main, other switched off", off, timed, []string{"sha256=" + timed}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"X-Webhook-Timestamp": {unix(0)}}
			if c.main != "" {
				h.Set("X-Webhook-Signature", c.main)
			}
			for _, o := range c.others {
				h.Add(other, o)
			}
			p := mustProvider(t, "trustgate", c.settings, firstSecret)
			e, err := p.Verify(Delivery{Header: h, Body: []byte(tgReviewed), ReceivedAt: noon})
			wantReason(t, err, c.want)
			if (e.Warning != "") != c.warns {
				t.Errorf("warning %q, want one: %v", e.Warning, c.warns)
			}
		})
	}
	t.Run("main empty, other right", func(t *testing.T) {
		t.Parallel()
		h := http.Header{"X-Webhook-Timestamp": {unix(0)}, "X-Webhook-Signature": {""}}
		h.Set(other, "sha256="+timed)
		_, err := mustProvider(t, "trustgate", documented, firstSecret).Verify(Delivery{Header: h, Body: []byte(tgReviewed), ReceivedAt: noon})
		wantReason(t, err, MissingSignature)
	})
}

// TestLegalTalentID: the header with the event's ID may lie outside the signature, so it must agree with the body.
func TestLegalTalentID(t *testing.T) {
	t.Parallel()
	p := mustProvider(t, "legaltalent", documented, firstSecret)
	for name, c := range map[string]struct {
		ids  []string
		want Reason
	}{
		"none":              {nil, ""},
		"same":              {[]string{"evt_5f2a9c71d084"}, ""},
		"other":             {[]string{"evt_000000000000"}, OtherID},
		"empty":             {[]string{""}, OtherID},
		"other letter case": {[]string{"EVT_5F2A9C71D084"}, OtherID},
		"twice":             {[]string{"evt_5f2a9c71d084", "evt_5f2a9c71d084"}, OtherID},
	} {
		h := http.Header{"X-Webhook-Signature": {"sha256=" + hexMAC(firstSecret, kycBody)}, "X-Webhook-Timestamp": {unix(0)}}
		for _, id := range c.ids {
			h.Add("X-Webhook-ID", id)
		}
		_, err := p.Verify(Delivery{Header: h, Body: []byte(kycBody), ReceivedAt: noon})
		t.Run(name, func(t *testing.T) { wantReason(t, err, c.want) })
	}
}
