package handlers

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parcel is a delivery in the making. The test signs by the scheme's description, not with the code under test.
type parcel struct {
	scheme    Scheme // with the hash that is used
	hash      string // the name of the hash; empty if no header names it
	message   string // one of the scheme's
	secret    string
	verbatim  bool   // the secret is the key, also if the scheme says base64
	timestamp string // in the pairs, the header or the body
	body      string
	sent      string                  // body that is sent, if it is not the one that was signed
	tamper    func(h http.Header)     // after signing
	rewrite   func(mac string) string // makes the signature header of a MAC, if it is not made as it should be
}

func (p parcel) mac() string {
	message, key := strings.NewReplacer("{id}", headerID, "{timestamp}", p.timestamp, "{body}", p.body).Replace(p.message), p.secret
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_")); err == nil && p.scheme.Base64Key && !p.verbatim {
		key = string(decoded)
	}
	return p.scheme.Encoding.Encode(macOf(p.scheme.Hash, key, message))
}

func (p parcel) delivery() Delivery {
	p.body = p.withTime(p.timestamp)
	value := p.scheme.Prefix + p.mac()
	if p.scheme.Pairs {
		value = "t=" + p.timestamp + ",v1=" + p.mac()
	}
	if p.rewrite != nil {
		value = p.rewrite(p.mac())
	}
	h := http.Header{}
	h.Set(p.scheme.Header, value)
	if p.hash != "" {
		h.Set(p.scheme.HashNamed, p.hash)
	}
	if p.scheme.Timestamp != "" {
		h.Set(p.scheme.Timestamp, p.timestamp)
	}
	if hasID(p) {
		h.Set(p.scheme.ID, headerID)
	}
	if p.tamper != nil {
		p.tamper(h)
	}
	if p.sent != "" {
		p.body = p.sent
	}
	return Delivery{Header: h, Body: []byte(p.body), ReceivedAt: noon}
}

// withTime returns the body with another time of signing, if it has one. The time is JSON.
func (p parcel) withTime(value string) string {
	if p.scheme.TimeIn == "" {
		return p.body
	}
	return regexp.MustCompile(`("`+p.scheme.TimeIn+`": *)[^,}]+`).ReplaceAllString(p.body, "${1}"+value)
}

// unix is noon, shifted, as a timestamp.
func unix(shift time.Duration) string { return strconv.FormatInt(noon.Add(shift).Unix(), 10) }

// attack is something done to a correct delivery.
type attack struct {
	name  string
	on    func(p parcel) bool // nil: every scheme
	alter func(p *parcel)
	want  Reason // empty: verified
}

func isTimed(p parcel) bool    { return p.scheme.Pairs || p.scheme.Timestamp != "" }
func isDated(p parcel) bool    { return isTimed(p) && strings.Contains(p.message, "{timestamp}") }
func expires(p parcel) bool    { return p.scheme.MaxAge > 0 }
func isPlain(p parcel) bool    { return !p.scheme.Pairs && !p.scheme.List }
func isList(p parcel) bool     { return p.scheme.List }
func isPairs(p parcel) bool    { return p.scheme.Pairs }
func hasID(p parcel) bool      { return strings.Contains(p.message, "{id}") }
func isVerbatim(p parcel) bool { return !p.scheme.Base64Key }
func isNamed(p parcel) bool    { return p.hash != "" }
func isInBody(p parcel) bool   { return p.scheme.TimeIn != "" }
func hasLimit(p parcel) bool   { return isTimed(p) || isInBody(p) }
func rotates(p parcel) bool    { return p.scheme.Previous != "" }

func tampering(name string, want Reason, f func(p parcel, h http.Header)) attack {
	return attack{name, nil, func(p *parcel) { q := *p; p.tamper = func(h http.Header) { f(q, h) } }, want}
}

// rewriting changes the signature header of schemes of one form.
func rewriting(name string, want Reason, on func(parcel) bool, f func(p parcel, mac string) string) attack {
	return attack{name, on, func(p *parcel) { q := *p; p.rewrite = func(mac string) string { return f(q, mac) } }, want}
}

var attacks = append([]attack{
	{"none: first of two secrets", nil, func(*parcel) {}, ""},
	{"second of two secrets", nil, func(p *parcel) { p.secret = secondSecret }, ""},
	{"wrong secret", nil, func(p *parcel) { p.secret = strangersSecret }, WrongSecret},
	{"empty secret", nil, func(p *parcel) { p.secret = "" }, WrongSecret},
	{"whsec_ stripped", isVerbatim, func(p *parcel) { p.secret = strings.TrimPrefix(p.secret, "whsec_") }, WrongSecret},
	{"both secrets joined", nil, func(p *parcel) { p.secret = firstSecret + "," + secondSecret }, WrongSecret},
	{"flipped bit", nil, func(p *parcel) { p.sent = p.body[:40] + string(p.body[40]^1) + p.body[41:] }, WrongSecret},
	{"newline added", nil, func(p *parcel) { p.sent = p.body + "\n" }, WrongSecret},
	{"byte order mark added", nil, func(p *parcel) { p.sent = "\ufeff" + p.body }, WrongSecret},
	{"byte cut off", nil, func(p *parcel) { p.sent = p.body[:len(p.body)-1] }, WrongSecret},
	{"empty body with another's signature", nil, func(p *parcel) { p.sent, p.body = p.body, "" }, WrongSecret},

	tampering("no header", MissingSignature, func(p parcel, h http.Header) { h.Del(p.scheme.Header) }),
	tampering("empty header", MissingSignature, func(p parcel, h http.Header) { h.Set(p.scheme.Header, "") }),
	tampering("repeated header", RepeatedHeader, func(p parcel, h http.Header) { h.Add(p.scheme.Header, h.Get(p.scheme.Header)) }),
	tampering("wrong header beside the right one", RepeatedHeader, func(p parcel, h http.Header) { h.Add(p.scheme.Header, "") }),

	rewriting("uppercase hex", "", isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + strings.ToUpper(mac) }),
	rewriting("odd number of digits", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + mac[1:] }),
	rewriting("too short", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + mac[2:] }),
	rewriting("too long", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + mac + "00" }),
	rewriting("not hex", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + "zz" + mac[2:] }),
	rewriting("garbage", MalformedSignature, nil, func(parcel, string) string { return "garbage" }),
	rewriting("base64", MalformedSignature, isPlain, func(p parcel, mac string) string {
		return p.scheme.Prefix + base64.StdEncoding.EncodeToString([]byte(mac))
	}),
	rewriting("prefix missing, or present where it does not belong", MalformedSignature, isPlain, func(p parcel, mac string) string {
		return map[bool]string{true: "sha256=", false: ""}[p.scheme.Prefix == ""] + mac
	}),
	rewriting("unknown prefix", MalformedSignature, isPlain, func(_ parcel, mac string) string { return "sha512=" + mac }),
	rewriting("uppercase prefix", MalformedSignature, isPlain, func(_ parcel, mac string) string { return "SHA256=" + mac }),
	rewriting("prefix alone", MalformedSignature, isPlain, func(p parcel, _ string) string { return p.scheme.Prefix + " " }),
	rewriting("space inside", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + " " + mac }),
	rewriting("list", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + mac + "," + mac }),
	rewriting("megabyte", MalformedSignature, isPlain, func(p parcel, mac string) string { return p.scheme.Prefix + strings.Repeat(mac, 1<<14) }),

	{"too old", expires, func(p *parcel) { p.timestamp = unix(-p.scheme.MaxAge - time.Second) }, TooOld},
	{"barely fresh", hasLimit, func(p *parcel) { p.timestamp = unix(-max(p.scheme.MaxAge, 300*time.Second)) }, ""},
	{"old event delivered again", func(p parcel) bool { return isTimed(p) && !expires(p) }, func(p *parcel) { p.timestamp = unix(-90 * 24 * time.Hour) }, ""},
	{"from the future", hasLimit, func(p *parcel) { p.timestamp = unix(301 * time.Second) }, FromTheFuture},
	{"clock a little ahead", hasLimit, func(p *parcel) { p.timestamp = unix(300 * time.Second) }, ""},
	{"largest timestamp", isTimed, func(p *parcel) { p.timestamp = "999999999999" }, FromTheFuture},
	{"timestamp zero", func(p parcel) bool { return expires(p) && isTimed(p) }, func(p *parcel) { p.timestamp = "0" }, TooOld},
	{"timestamp changed after signing", isDated, func(p *parcel) {
		p.rewrite = func(mac string) string { return "t=" + unix(time.Second) + ",v1=" + mac }
		if !p.scheme.Pairs {
			name := p.scheme.Timestamp
			p.rewrite, p.tamper = nil, func(h http.Header) { h.Set(name, unix(time.Second)) }
		}
	}, WrongSecret},
}, slices.Concat(timestampAttacks(), hashAttacks, pairAttacks, listAttacks, idAttacks, rotationAttacks, bodyTimeAttacks)...)

// hashAttacks change the header that names the hash.
var hashAttacks = []attack{
	{"another hash named", isNamed, func(p *parcel) {
		i := slices.IndexFunc(p.scheme.Hashes, func(other NamedHash) bool { return other.Hash != p.scheme.Hash && other.Setting == "" })
		p.hash = p.scheme.Hashes[i].Name
	}, MalformedSignature}, // MACs of another hash have another length
	{"a hash that is unknown", isNamed, func(p *parcel) { p.hash = "none" }, RefusedHash},
	{"a hash in other letters", isNamed, func(p *parcel) { p.hash = strings.ToLower(p.hash) }, RefusedHash},
	{"two hashes in one header", isNamed, func(p *parcel) { p.hash += "," + p.hash }, RefusedHash},
	{"empty name of the hash", isNamed, func(p *parcel) { p.tamper = func(h http.Header) { h.Set(p.scheme.HashNamed, "") } }, RefusedHash},
	{"repeated name of the hash", isNamed, func(p *parcel) {
		p.tamper = func(h http.Header) { h.Add(p.scheme.HashNamed, h.Get(p.scheme.HashNamed)) }
	}, RepeatedHeader},
}

// named lists a scheme with each hash that it accepts: the one without a header, and those that a header names.
func named(s Scheme) (list []parcel) {
	list = []parcel{{scheme: s}}
	for _, known := range s.Hashes {
		if known.Setting == "" {
			list = append(list, parcel{scheme: s, hash: known.Name})
			list[len(list)-1].scheme.Hash = known.Hash
		}
	}
	return list
}

func timestampAttacks() (list []attack) {
	hasHeader := func(p parcel) bool { return p.scheme.Timestamp != "" }
	for name, f := range map[string]func(h http.Header, name string){
		"no timestamp": func(h http.Header, name string) { h.Del(name) }, "empty timestamp": func(h http.Header, name string) { h.Set(name, "") },
	} {
		a := tampering(name, MissingTimestamp, func(p parcel, h http.Header) { f(h, p.scheme.Timestamp) })
		a.on = hasHeader
		list = append(list, a)
	}
	repeated := tampering("repeated timestamp", RepeatedHeader, func(p parcel, h http.Header) { h.Add(p.scheme.Timestamp, p.timestamp) })
	repeated.on = hasHeader
	for _, timestamp := range []string{
		"17702064000000000000", "9223372036854775808", "1770206400000", "-1770206400", "+5", "soon", "1.77e9", "1770206400.0", "1_770_206_400",
		"0x69833d00", "١٧٧٠٢٠٦٤٠٠", "2026-02-04T12:00:00Z",
	} {
		list = append(list, attack{"timestamp " + timestamp, isTimed, func(p *parcel) { p.timestamp = timestamp }, MalformedTimestamp})
	}
	return append(list, repeated)
}

// set is one "t=…,v1=…" over the parcel's body, made at that time.
func (p parcel) set(shift time.Duration) string {
	p.timestamp = unix(shift)
	return "t=" + p.timestamp + ",v1=" + p.mac()
}

var (
	zeroMAC     = strings.Repeat("00", 32)
	pairAttacks = []attack{
		rewriting("several MACs, the last one right", "", isPairs, func(_ parcel, mac string) string { return "t=" + unix(0) + ",v1=" + zeroMAC + ",v1=" + mac }),
		rewriting("a MAC that cannot be decoded beside the right one", "", isPairs, func(_ parcel, mac string) string { return "t=" + unix(0) + ",v1=zz,v1=" + mac + ",v1=" }),
		rewriting("another version beside the right one", "", isPairs, func(_ parcel, mac string) string { return "v0=" + zeroMAC + ",v1=" + mac + ",t=" + unix(0) + ",x" }),
		rewriting("two sets, the second one right", "", isPairs, func(p parcel, _ string) string { return "t=" + unix(0) + ",v1=" + zeroMAC + " " + p.set(0) }),
		rewriting("two sets, the first one right", "", isPairs, func(p parcel, _ string) string { return p.set(0) + " garbage" }),
		rewriting("two sets, the first one too old", "", isPairs, func(p parcel, _ string) string { return p.set(-time.Hour) + " " + p.set(0) }),
		rewriting("two sets, a fresh time and an old MAC", TooOld, isPairs, func(p parcel, _ string) string { return p.set(-time.Hour) + " t=" + unix(0) + ",v1=" + zeroMAC }),
		rewriting("another version alone", MalformedSignature, isPairs, func(_ parcel, mac string) string { return "t=" + unix(0) + ",v0=" + mac }),
		rewriting("MAC alone", MissingTimestamp, isPairs, func(_ parcel, mac string) string { return "v1=" + mac }),
		rewriting("time alone", MalformedSignature, isPairs, func(parcel, string) string { return "t=" + unix(0) }),
		rewriting("two times", MalformedSignature, isPairs, func(_ parcel, mac string) string { return "t=" + unix(0) + ",t=" + unix(0) + ",v1=" + mac }),
		rewriting("empty time", MalformedTimestamp, isPairs, func(_ parcel, mac string) string { return "t=,v1=" + mac }),
		rewriting("bare MAC", MalformedSignature, isPairs, func(_ parcel, mac string) string { return mac }),
		rewriting("MACs without end, the last one right", WrongSecret, isPairs, func(_ parcel, mac string) string {
			return "t=" + unix(0) + strings.Repeat(",v1="+zeroMAC, 10_000) + ",v1=" + mac
		}),
		rewriting("sets without end, the last one right", MalformedSignature, isPairs, func(p parcel, _ string) string {
			return strings.Repeat("t="+unix(0)+",v1="+zeroMAC+" ", 10_000) + p.set(0)
		}),
	}
)

// listAttacks are on schemes whose header is a list.
var listAttacks = []attack{
	{"secret that was not decoded", func(p parcel) bool { return !isVerbatim(p) }, func(p *parcel) { p.verbatim = true }, WrongSecret},
	rewriting("several MACs, the last one right", "", isList, func(p parcel, mac string) string { return p.others(1) + p.scheme.Prefix + mac }),
	rewriting("several MACs, the first one right", "", isList, func(p parcel, mac string) string { return p.scheme.Prefix + mac + " " + p.others(1) }),
	rewriting("another version beside the right one", "", isList, func(p parcel, mac string) string { return "v1a," + mac + " garbage  " + p.scheme.Prefix + mac }),
	rewriting("another version alone", MalformedSignature, isList, func(_ parcel, mac string) string { return "v1a," + mac }),
	rewriting("bare MAC in a list", MalformedSignature, isList, func(_ parcel, mac string) string { return mac }),
	rewriting("prefix without a MAC", MalformedSignature, isList, func(p parcel, _ string) string { return p.scheme.Prefix }),
	rewriting("MAC cut off", MalformedSignature, isList, func(p parcel, mac string) string { return p.scheme.Prefix + mac[:len(mac)-4] }),
	rewriting("MAC too long", MalformedSignature, isList, func(p parcel, mac string) string { return p.scheme.Prefix + "AAAA" + mac }),
	rewriting("separated by a comma", MalformedSignature, isList, func(p parcel, mac string) string { return p.scheme.Prefix + mac + "," + p.scheme.Prefix + mac }),
	rewriting("MACs without end in a list, the last one right", WrongSecret, isList, func(p parcel, mac string) string { return p.others(10_000) + p.scheme.Prefix + mac }),
}

// rotationAttacks are on schemes with a header for the secret before the last rotation.
var rotationAttacks = []attack{
	rotating("previous secret alone is ours", "", func(p parcel, h http.Header) {
		h.Set(p.scheme.Previous, h.Get(p.scheme.Header))
		h.Set(p.scheme.Header, p.stranger())
	}),
	rotating("newer secret alone is ours", "", func(p parcel, h http.Header) { h.Set(p.scheme.Previous, p.stranger()) }),
	rotating("both secrets are a stranger's", WrongSecret, func(p parcel, h http.Header) {
		h.Set(p.scheme.Previous, p.stranger())
		h.Set(p.scheme.Header, p.stranger())
	}),
	rotating("previous MAC is garbage", "", func(p parcel, h http.Header) { h.Set(p.scheme.Previous, "garbage") }),
	rotating("previous MAC is empty", "", func(p parcel, h http.Header) { h.Set(p.scheme.Previous, "") }),
	rotating("both MACs are garbage", MalformedSignature, func(p parcel, h http.Header) { h.Set(p.scheme.Previous, "garbage"); h.Set(p.scheme.Header, "garbage") }),
	rotating("repeated previous MAC", RepeatedHeader, func(p parcel, h http.Header) {
		h[http.CanonicalHeaderKey(p.scheme.Previous)] = []string{h.Get(p.scheme.Header), h.Get(p.scheme.Header)}
	}),
	rotating("previous MAC without the newer one", MissingSignature, func(p parcel, h http.Header) {
		h.Set(p.scheme.Previous, h.Get(p.scheme.Header))
		h.Del(p.scheme.Header)
	}),
}

func rotating(name string, want Reason, f func(p parcel, h http.Header)) attack {
	a := tampering(name, want, f)
	a.on = rotates
	return a
}

// stranger returns what a stranger would send as the signature of the parcel.
func (p parcel) stranger() string {
	p.secret = strangersSecret
	return p.scheme.Prefix + p.mac()
}

// bodyTimeAttacks are on schemes whose time of signing is in the body. One that cannot be read is accepted: only the provider can have
// signed it.
var bodyTimeAttacks = []attack{
	{"time in the body changed after signing", isInBody, func(p *parcel) { q := *p; p.sent = q.withTime(unix(time.Second)) }, WrongSecret},
	{"time in the body as a text", isInBody, func(p *parcel) { p.timestamp = `"` + unix(0) + `"` }, ""},
	{"old time in the body as a text", isInBody, func(p *parcel) { p.timestamp = `"` + unix(-time.Hour) + `"` }, TooOld},
	{"old time in the body in milliseconds", isInBody, func(p *parcel) { p.timestamp = unix(-time.Hour) + "000" }, TooOld},
	{"no time in the body", isInBody, func(p *parcel) { p.timestamp = "null" }, ""},
	{"time in the body that is none", isInBody, func(p *parcel) { p.timestamp = `"soon"` }, ""},
}

// others returns that many wrong MACs, each with a space after it.
func (p parcel) others(n int) string {
	return strings.Repeat(p.scheme.Prefix+p.scheme.Encoding.Encode(make([]byte, p.scheme.Hash.New().Size()))+" ", n)
}

// headerID is the event's ID where a header has it.
const headerID = "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj"

// idAttacks change the header with the ID where it is signed.
var idAttacks = []attack{
	idAttack("no ID", MissingID, func(h http.Header, name string) { h.Del(name) }),
	idAttack("empty ID", MissingID, func(h http.Header, name string) { h.Set(name, "") }),
	idAttack("repeated ID", RepeatedHeader, func(h http.Header, name string) { h.Add(name, headerID) }),
	idAttack("another ID", WrongSecret, func(h http.Header, name string) { h.Set(name, headerID+"0") }),
	idAttack("ID without end", MalformedID, func(h http.Header, name string) { h.Set(name, strings.Repeat("0", maxText+1)) }),
	idAttack("ID that is not UTF-8", MalformedID, func(h http.Header, name string) { h.Set(name, "msg_\xff") }),
}

func idAttack(name string, want Reason, f func(h http.Header, name string)) attack {
	a := tampering(name, want, func(p parcel, h http.Header) { f(h, p.scheme.ID) })
	a.on = hasID
	return a
}

// variants are a provider with each value of each of its options.
func variants(t *testing.T, name string) map[string]Provider {
	list := map[string]Provider{name: mustProvider(t, name, nil, firstSecret, secondSecret)}
	for _, o := range ProviderOptions(name) {
		for _, value := range o.Values {
			list[name+" "+o.Name+"="+value] = mustProvider(t, name, map[string]string{o.Name: value}, firstSecret, secondSecret)
		}
	}
	return list
}

// TestSigningContract runs each attack on each scheme of each provider.
func TestSigningContract(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		for variant, p := range variants(t, name) {
			for _, s := range p.Schemes() {
				for _, message := range s.Messages {
					runAttacks(t, name, variant, p, s, message)
				}
			}
		}
	}
}

// runAttacks runs each attack on one message of a scheme, with each of its hashes.
func runAttacks(t *testing.T, name, variant string, p Provider, s Scheme, message string) {
	for _, start := range named(s) {
		start.message, start.secret, start.timestamp, start.body = message, firstSecret, unix(0), bodyOf(t, name)
		start.body = start.withTime(start.timestamp)
		t.Run(variant+"/"+s.Header+" "+message+" "+start.hash, func(t *testing.T) {
			t.Parallel()
			for _, a := range attacks {
				if a.on != nil && !a.on(start) {
					continue
				}
				t.Run(a.name, func(t *testing.T) {
					parcel := start
					a.alter(&parcel)
					e, err := p.Verify(parcel.delivery())
					wantReason(t, err, a.want)
					if a.want != "" && !cmp.Equal(e, Envelope{}) {
						t.Errorf("a refused delivery came with the envelope %+v", e)
					}
				})
			}
		})
	}
}

// TestRefusedHash: a hash that a setting would allow is refused without it, even if the MAC is right.
func TestRefusedHash(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		p := mustProvider(t, name, nil, firstSecret)
		for _, s := range p.Schemes() {
			for _, known := range s.Hashes {
				with := s
				with.Hash = known.Hash
				d := parcel{scheme: with, hash: known.Name, message: s.Messages[0], secret: firstSecret, timestamp: unix(0), body: bodyOf(t, name)}.delivery()
				want := map[bool]Reason{true: "", false: RefusedHash}[known.Setting == ""]
				_, err := p.Verify(d)
				wantReason(t, err, want)
			}
		}
	}
}

// TestWeakSignature: a signature that does not cover the bytes of the body is never enough, even if it is right.
func TestWeakSignature(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		p := mustProvider(t, name, nil, firstSecret)
		for _, s := range p.Schemes() {
			for _, weak := range s.Weak {
				right := parcel{scheme: s, message: s.Messages[0], secret: firstSecret, timestamp: unix(0), body: bodyOf(t, name)}
				wrong := right
				wrong.secret = strangersSecret
				for want, d := range map[Reason]Delivery{WeakSignature: right.delivery(), WrongSecret: wrong.delivery()} {
					d.Header.Set(weak, right.delivery().Header.Get(s.Header))
					if want == WeakSignature {
						d.Header.Del(s.Header)
					}
					e, err := p.Verify(d)
					wantReason(t, err, want)
					if !cmp.Equal(e, Envelope{}) {
						t.Errorf("%s: a refused delivery came with the envelope %+v", name, e)
					}
				}
			}
		}
	}
}

// TestTokenContract is the same for providers whose only secret is in the path.
func TestTokenContract(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		if !TokenInPath(name) {
			continue
		}
		p := mustProvider(t, name, nil, firstSecret, secondSecret)
		for token, want := range map[string]Reason{
			firstSecret: "", secondSecret: "", "": WrongToken, firstSecret[:len(firstSecret)-1]: WrongToken, firstSecret + "0": WrongToken,
			firstSecret + "\x00": WrongToken, firstSecret + secondSecret: WrongToken, firstSecret + "," + secondSecret: WrongToken,
			strings.ToUpper(firstSecret): WrongToken, " " + firstSecret: WrongToken,
		} {
			_, err := p.Verify(Delivery{Token: token, Body: []byte(bodyOf(t, name)), ReceivedAt: noon})
			wantReason(t, err, want)
			if err != nil && strings.Contains(err.Error(), "whsec_") {
				t.Errorf("%s: the error contains a token: %v", name, err)
			}
		}
	}
}

// TestSignedByUs: what Sign makes is verified, with the first secret, and is what the schemes describe.
func TestSignedByUs(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		for variant, p := range variants(t, name) {
			q := p.Sign([]byte(bodyOf(t, name)), noon)
			first, token, _ := strings.Cut(q.Path, "/")
			if first != name || TokenInPath(name) != (token != "") {
				t.Errorf("%s: path %s", variant, q.Path)
			}
			e, err := p.Verify(Delivery{Header: q.Header, Token: token, Body: q.Body, ReceivedAt: noon})
			if err != nil || e.Secret != 0 || e.Fingerprint != Fingerprint(firstSecret) || len(e.Warnings) > 0 {
				t.Errorf("%s: %v, %+v", variant, err, e)
			}
			for _, s := range p.Schemes() {
				if s.Header != "" && q.Header.Get(s.Header) == "" {
					t.Errorf("%s: signed without %s", variant, s.Header)
				}
				if len(s.Messages) > 1 && s.Setting == "" {
					t.Errorf("%s: several messages, and no setting to choose one", variant)
				}
			}
		}
	}
}

// TestSignedID: an ID that is signed in a header is the event's, and one body may come with several IDs.
func TestSignedID(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		p := mustProvider(t, name, nil, firstSecret)
		for _, s := range p.Schemes() {
			if !s.SignsID() {
				continue
			}
			body := bodyOf(t, name)
			of, err := p.Envelope([]byte(body))
			if q := p.Sign([]byte(body), noon); err != nil || !of.Derived || q.Header.Get(s.ID) != of.ExternalID {
				t.Errorf("%s: %v, signed with the ID %q, want the derived %+v", name, err, q.Header.Get(s.ID), of)
			}
			d := parcel{scheme: s, message: s.Messages[0], secret: firstSecret, timestamp: unix(0), body: body}.delivery()
			e, err := p.Verify(d)
			of.ExternalID, of.Derived, of.Fingerprint = headerID, false, Fingerprint(firstSecret)
			if diff := cmp.Diff(of, e); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

// TestHeaderID: the header with the event's ID may lie outside the signature, so it must agree with the body.
func TestHeaderID(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		p := mustProvider(t, name, nil, firstSecret)
		for _, s := range p.Schemes() {
			if s.ID == "" || s.SignsID() {
				continue
			}
			body := bodyOf(t, name)
			id := mustProvider(t, name, nil, firstSecret).Sign([]byte(body), noon).Header.Get(s.ID)
			for _, c := range []struct {
				ids  []string
				want Reason
			}{{nil, ""}, {[]string{id}, ""}, {[]string{"other"}, WrongID}, {[]string{""}, WrongID}, {[]string{strings.ToUpper(id)}, WrongID}, {[]string{id, id}, WrongID}} {
				d := parcel{scheme: s, message: s.Messages[0], secret: firstSecret, timestamp: unix(0), body: body}.delivery()
				for _, id := range c.ids {
					d.Header.Add(s.ID, id)
				}
				_, err := p.Verify(d)
				wantReason(t, err, c.want)
			}
		}
	}
}

// TestSignedEmptyBody: it is not refused, since the provider did send it.
func TestSignedEmptyBody(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		p := mustProvider(t, name, nil, firstSecret)
		q := p.Sign(nil, noon)
		_, token, _ := strings.Cut(q.Path, "/")
		if _, err := p.Verify(Delivery{Header: q.Header, Token: token, ReceivedAt: noon}); !errors.Is(err, ErrUnreadable) || !isVerified(err) {
			t.Errorf("%s: %v, want ErrUnreadable", name, err)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := []Secret{{Value: firstSecret}}
	for _, name := range ProviderNames() {
		for what, s := range map[string]Settings{
			"no secret": {}, "an empty secret": {Secrets: []Secret{{}}}, "one empty secret of two": {Secrets: append(good, Secret{})},
		} {
			if p, err := NewProvider(name, s); err == nil {
				t.Errorf("%s with %s: %v, want an error", name, what, p)
			}
		}
		for _, o := range ProviderOptions(name) {
			if _, err := NewProvider(name, Settings{Secrets: good, Options: map[string]string{o.Name: "nonsense"}}); err == nil || !strings.Contains(err.Error(), o.Name) {
				t.Errorf("%s with an invalid %s: %v", name, o.Name, err)
			}
		}
	}
	if _, err := NewProvider("no such provider", Settings{Secrets: good}); err == nil {
		t.Error("NewProvider of an unknown provider: no error")
	}
}

// TestSandboxSecret: what is verified with a secret of the sandbox is labelled, and with the secret's fingerprint.
func TestSandboxSecret(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		live, sandbox := Secret{Value: firstSecret}, Secret{Value: secondSecret, Sandbox: true}
		got := map[bool]string{}
		for _, signer := range []Secret{live, sandbox} {
			by, err := NewProvider(name, Settings{Secrets: []Secret{signer}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewProvider(name, Settings{Secrets: []Secret{live, sandbox}})
			if err != nil {
				t.Fatal(err)
			}
			q := by.Sign([]byte(`{"no":"event"}`), noon)
			_, token, _ := strings.Cut(q.Path, "/")
			e, err := p.Verify(Delivery{Header: q.Header, Token: token, Body: q.Body, ReceivedAt: noon})
			if !isVerified(err) {
				t.Errorf("%s: %v", name, err)
			}
			got[e.Sandbox] = e.Fingerprint
		}
		if want := map[bool]string{false: Fingerprint(firstSecret), true: Fingerprint(secondSecret)}; !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
