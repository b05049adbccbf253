package handlers

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scheme is how a provider signs. The tests sign by this description, not by the code under test.
type scheme struct {
	name      string
	provider  string
	settings  Settings
	signature string // header
	prefix    string
	timed     bool // it wants X-Webhook-Timestamp
	dated     bool // it signs "<timestamp>.<body>", else the body
	expires   bool // the timestamp is the delivery's, and must be fresh
	body      string
}

var schemes = []scheme{
	{"trustgate", "trustgate", documented, "X-Webhook-Signature", "", true, true, true, tgReviewed},
	{"trustgate fallback timestamp.body", "trustgate", documented, "X-TrustGate-Signature", "sha256=", true, true, true, tgReviewed},
	{"trustgate fallback body", "trustgate", bodyAlone, "X-TrustGate-Signature", "sha256=", false, false, false, tgReviewed},
	{"trst", "trst", documented, "X-Webhook-Signature", "sha256=", false, false, false, trstBody},
	{"legaltalent body", "legaltalent", bodyAlone, "X-Webhook-Signature", "sha256=", true, false, false, kycBody},
	{"legaltalent timestamp.body", "legaltalent", timedOnly, "X-Webhook-Signature", "sha256=", true, true, false, kycBody},
	{"legaltalent either: body", "legaltalent", documented, "X-Webhook-Signature", "sha256=", true, false, false, kycBody},
	{"legaltalent either: timestamp.body", "legaltalent", documented, "X-Webhook-Signature", "sha256=", true, true, false, kycBody},
}

const firstSecret, secondSecret = "whsec_first_8d2f", "whsec_second_71ca"

// parcel is a delivery in the making: what is sent may differ from what is signed.
type parcel struct {
	secret    string
	timestamp string
	body      string
	tamper    func(h http.Header, s scheme) // after signing
	sent      string                        // body that is sent, if not the one that was signed
}

func (p parcel) delivery(s scheme) Delivery {
	content := p.body
	if s.dated {
		content = p.timestamp + "." + p.body
	}
	h := http.Header{}
	h.Set(s.signature, s.prefix+hexMAC(p.secret, content))
	if s.timed {
		h.Set("X-Webhook-Timestamp", p.timestamp)
	}
	if p.tamper != nil {
		p.tamper(h, s)
	}
	if p.sent != "" {
		p.body = p.sent
	}
	return Delivery{Header: h, Body: []byte(p.body), ReceivedAt: noon}
}

// unix is noon, shifted, as a timestamp header has it.
func unix(shift time.Duration) string { return strconv.FormatInt(noon.Add(shift).Unix(), 10) }

// rewritten replaces the signature header by what f makes of its digits.
func rewritten(f func(digits string, s scheme) string) func(http.Header, scheme) {
	return func(h http.Header, s scheme) {
		h.Set(s.signature, f(strings.TrimPrefix(h.Get(s.signature), s.prefix), s))
	}
}

// attack is something done to a right delivery.
type attack struct {
	name  string
	on    func(s scheme) bool // nil: every scheme
	alter func(p *parcel)
	want  Reason // empty: verified
}

func tampering(name string, want Reason, f func(http.Header, scheme)) attack {
	return attack{name, nil, func(p *parcel) { p.tamper = f }, want}
}

func badSignature(name string, f func(digits string, s scheme) string) attack {
	return tampering(name, MalformedSignature, rewritten(f))
}

// badTimestamp signs and sends a timestamp that makes no sense: the signature is right.
func badTimestamp(timestamp string) attack {
	return attack{"timestamp " + timestamp, isTimed, func(p *parcel) { p.timestamp = timestamp }, MalformedTimestamp}
}

func isTimed(s scheme) bool { return s.timed }

func isDated(s scheme) bool { return s.dated }

func expires(s scheme) bool { return s.expires }

func isTimeless(s scheme) bool {
	return s.timed && !s.expires
}

var attacks = []attack{
	{"none: first of two secrets", nil, func(*parcel) {}, ""},
	{"second of two secrets", nil, func(p *parcel) { p.secret = secondSecret }, ""},
	{"wrong secret", nil, func(p *parcel) { p.secret = "whsec_third" }, WrongSecret},
	{"no secret", nil, func(p *parcel) { p.secret = "" }, WrongSecret},
	{"whsec_ stripped", nil, func(p *parcel) { p.secret = strings.TrimPrefix(p.secret, "whsec_") }, WrongSecret},
	{"both secrets joined", nil, func(p *parcel) { p.secret = firstSecret + "," + secondSecret }, WrongSecret},

	{"flipped bit", nil, func(p *parcel) { p.sent = p.body[:40] + string(p.body[40]^1) + p.body[41:] }, WrongSecret},
	{"newline added", nil, func(p *parcel) { p.sent = p.body + "\n" }, WrongSecret},
	{"byte cut off", nil, func(p *parcel) { p.sent = p.body[:len(p.body)-1] }, WrongSecret},
	{"spaces in JSON", nil, func(p *parcel) { p.sent = strings.Replace(p.body, ":", ": ", 1) }, WrongSecret},
	{"empty body with another's signature", nil, func(p *parcel) { p.sent, p.body = p.body, "" }, WrongSecret},

	tampering("no header", MissingSignature, func(h http.Header, s scheme) { h.Del(s.signature) }),
	tampering("empty header", MissingSignature, func(h http.Header, s scheme) { h.Set(s.signature, "") }),
	tampering("repeated header", RepeatedHeader, func(h http.Header, s scheme) { h.Add(s.signature, h.Get(s.signature)) }),
	tampering("wrong header beside the right one", RepeatedHeader, func(h http.Header, s scheme) { h.Add(s.signature, "") }),
	tampering("uppercase hex", "", rewritten(func(d string, s scheme) string { return s.prefix + strings.ToUpper(d) })),

	badSignature("odd hex", func(d string, s scheme) string { return s.prefix + d[1:] }),
	badSignature("too short", func(d string, s scheme) string { return s.prefix + d[2:] }),
	badSignature("too long", func(d string, s scheme) string { return s.prefix + d + "00" }),
	badSignature("not hex", func(d string, s scheme) string { return s.prefix + "zz" + d[2:] }),
	badSignature("base64", func(d string, s scheme) string {
		raw, err := hex.DecodeString(d)
		if err != nil {
			panic(err)
		}
		return s.prefix + base64.StdEncoding.EncodeToString(raw)
	}),
	badSignature("prefix missing, or there where it does not belong", func(d string, s scheme) string {
		if s.prefix == "" {
			return "sha256=" + d
		}
		return d
	}),
	badSignature("unknown prefix", func(d string, _ scheme) string { return "sha512=" + d }),
	badSignature("uppercase prefix", func(d string, _ scheme) string { return "SHA256=" + d }),
	badSignature("prefix twice", func(d string, _ scheme) string { return "sha256=sha256=" + d }),
	badSignature("prefix alone", func(_ string, s scheme) string { return s.prefix + " " }),
	badSignature("spaces around", func(d string, s scheme) string { return s.prefix + " " + d }),
	badSignature("list", func(d string, s scheme) string { return s.prefix + d + "," + d }),
	badSignature("megabyte", func(d string, s scheme) string { return s.prefix + strings.Repeat(d, 1<<14) }),

	{"too old", expires, func(p *parcel) { p.timestamp = unix(-301 * time.Second) }, TooOld},
	{"barely fresh", isTimed, func(p *parcel) { p.timestamp = unix(-300 * time.Second) }, ""},
	{"old event delivered again", isTimeless, func(p *parcel) { p.timestamp = unix(-90 * 24 * time.Hour) }, ""},
	{"from the future", isTimed, func(p *parcel) { p.timestamp = unix(301 * time.Second) }, FromTheFuture},
	{"clock a little ahead", isTimed, func(p *parcel) { p.timestamp = unix(300 * time.Second) }, ""},
	{"largest timestamp", isTimed, func(p *parcel) { p.timestamp = "999999999999" }, FromTheFuture},
	{"timestamp zero", expires, func(p *parcel) { p.timestamp = "0" }, TooOld},
	{"no timestamp", isTimed, func(p *parcel) {
		p.timestamp, p.tamper = "", func(h http.Header, _ scheme) { h.Del("X-Webhook-Timestamp") }
	}, MissingTimestamp},
	{"empty timestamp", isTimed, func(p *parcel) { p.timestamp = "" }, MissingTimestamp},
	{"repeated timestamp", isTimed, func(p *parcel) {
		p.tamper = func(h http.Header, _ scheme) { h.Add("X-Webhook-Timestamp", p.timestamp) }
	}, RepeatedHeader},
	{"timestamp changed after signing", isDated, func(p *parcel) {
		p.tamper = func(h http.Header, _ scheme) { h.Set("X-Webhook-Timestamp", unix(time.Second)) }
	}, WrongSecret},
	badTimestamp("17702064000000000000"),
	badTimestamp("9223372036854775808"),
	badTimestamp("1770206400000"), // milliseconds
	badTimestamp("-1770206400"),
	badTimestamp("+5"),
	badTimestamp("soon"),
	badTimestamp("1.77e9"),
	badTimestamp("1770206400.0"),
	badTimestamp("1_770_206_400"),
	badTimestamp("0x69833d00"),
	badTimestamp(" 1770206400"),
	badTimestamp("١٧٧٠٢٠٦٤٠٠"),
	badTimestamp("2026-02-04T12:00:00Z"),
}

// TestSigningContract runs each attack on each provider that signs.
func TestSigningContract(t *testing.T) {
	t.Parallel()
	for _, s := range schemes {
		p := mustProvider(t, s.provider, s.settings, firstSecret, secondSecret)
		for _, a := range attacks {
			if a.on != nil && !a.on(s) {
				continue
			}
			t.Run(s.name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				parcel := parcel{secret: firstSecret, timestamp: unix(0), body: s.body}
				a.alter(&parcel)
				e, err := p.Verify(parcel.delivery(s))
				wantReason(t, err, a.want)
				if a.want != "" && e != (Envelope{}) {
					t.Errorf("a rejected delivery came with the envelope %+v", e)
				}
			})
		}
	}
}

// TestEverySigningProviderIsUnderContract fails for a new provider that has no line in schemes.
func TestEverySigningProviderIsUnderContract(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		if !TokenInPath(name) && !slices.ContainsFunc(schemes, func(s scheme) bool { return s.provider == name }) {
			t.Errorf("%s is not in schemes", name)
		}
	}
}

// TestSignedEmptyBody is no rejection: the provider did send it.
func TestSignedEmptyBody(t *testing.T) {
	t.Parallel()
	for _, s := range schemes {
		p := mustProvider(t, s.provider, s.settings, firstSecret)
		_, err := p.Verify(parcel{secret: firstSecret, timestamp: unix(0)}.delivery(s))
		if !errors.Is(err, ErrUnreadable) || errors.Is(err, ErrUnverified) {
			t.Errorf("%s: %v, want ErrUnreadable", s.name, err)
		}
	}
}
