package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 434 bytes. Each MAC is what the command beside it prints.
const (
	personaBody = `{"data":{"type":"event","id":"evt_7Hq2mVxN4cT9sLpR","attributes":{"name":"inquiry.approved","payload":{"data":{"type":"inquiry","id":"inq_5Kd8rWbZ3fYgUjA1","attributes":{"status":"approved","reference-id":"cust_1001","created-at":"2026-03-02T10:00:00.000Z","completed-at":"2026-03-02T10:05:00.000Z","expired-at":null},"relationships":{"account":{"data":{"type":"account","id":"act_3Pz6"}}}}},"created-at":"2026-03-02T10:06:00.125Z"}}}`
	personaMAC  = "99345600325015d10a302a71887e373aa557426cff149a2f034ce56ff0eb5f95" // printf %s "1772445960.$personaBody" | openssl dgst -sha256 -hmac wbhsec_test_2c9f6b1e8d4a7053
	personaOld  = "4107b73762c0494b461a9f2a9a162fe943f2c61634292c03190554547954b6ac" // printf %s "1772445960.$personaBody" | openssl dgst -sha256 -hmac wbhsec_test_old_91d3e5a7c0b2
)

func TestPersonaVectors(t *testing.T) {
	t.Parallel()
	const at = 1772445960
	const newer, older = "t=1772445960,v1=" + personaMAC, "t=1772445960,v1=" + personaOld
	header := func(value string) http.Header { return http.Header{"Persona-Signature": {value}} }
	for _, secret := range []string{"wbhsec_test_2c9f6b1e8d4a7053", "wbhsec_test_old_91d3e5a7c0b2"} {
		testVectors(t, "persona", secret, at, []vector{
			{"during a rotation", nil, header(newer + " " + older), personaBody, ""},
			{"during a rotation, the other order", nil, header(older + " " + newer), personaBody, ""},
			{"changed body", nil, header(newer + " " + older), strings.Replace(personaBody, "approved", "declined", 1), WrongSecret},
		})
	}
	testVectors(t, "persona", "wbhsec_test_2c9f6b1e8d4a7053", at, []vector{
		{"PERSONA-1", nil, header(newer), personaBody, ""},
		{"the old secret's alone", nil, header(older), personaBody, WrongSecret},
	})
	testSign(t, "persona", "wbhsec_test_2c9f6b1e8d4a7053", nil, at, personaBody, header(newer))
}

func TestPersonaEnvelopes(t *testing.T) {
	t.Parallel()
	want := Envelope{Generation: "v1", ExternalID: "evt_7Hq2mVxN4cT9sLpR", Type: "inquiry.approved", OccurredAt: time.Date(2026, 3, 2, 10, 6, 0, 125e6, time.UTC)}
	unnamed := want
	unnamed.Type = ""
	untimed := Envelope{Generation: "v1", Warnings: []string{"one"}}
	testEnvelopes(t, "persona", []envelopeCase{
		{"kebab case", personaBody, want, nil},
		{"camel case", strings.ReplaceAll(personaBody, "created-at", "createdAt"), want, nil},
		{"snake case", strings.ReplaceAll(personaBody, "created-at", "created_at"), want, nil},
		{"no name", strings.Replace(personaBody, `"name"`, `"title"`, 1), unnamed, ErrUnreadable},
		{"no data", `{"data":[]}`, untimed, ErrUnreadable},
	})
}
