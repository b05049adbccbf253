package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// meaning is what a catalogue of testdata says about an event type.
type meaning struct{ Provider, Generation, Type, Sample, Time string }

func catalogue(t *testing.T) (all []meaning) {
	t.Helper()
	files, err := filepath.Glob("../testdata/*/catalogue.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("catalogues: %v %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			m := meaning{Provider: filepath.Base(filepath.Dir(file))}
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			m.Sample = m.Provider + "/" + m.Sample
			all = append(all, m)
		}
	}
	return all
}

// TestSamples: each sample has the type that its file is named after, and an ID of its own.
func TestSamples(t *testing.T) {
	t.Parallel()
	known, unseen := map[meaning]bool{}, map[string]bool{}
	for _, m := range catalogue(t) {
		unseen[m.Sample] = true
		known[meaning{Provider: m.Provider, Generation: m.Generation, Type: m.Type, Time: m.Time}] = true
	}
	ids := map[string]string{}
	for _, s := range samples(t) {
		delete(unseen, s.path)
		e, err := envelopeOf(t, s.provider, string(s.body))
		if strings.HasSuffix(s.path, ".conflicting.json") {
			if !errors.Is(err, ErrContradictory) {
				t.Errorf("%s: %v, want ErrContradictory", s.path, err)
			}
			continue
		}
		if err != nil || len(e.Warnings) > 0 {
			t.Errorf("%s: %v, warnings %v", s.path, err, e.Warnings)
			continue
		}
		if !strings.Contains(s.path, "/"+e.Type+".") {
			t.Errorf("%s: read type %s", s.path, e.Type)
		}
		m := meaning{Provider: s.provider, Generation: e.Generation, Type: e.Type}
		if e.OccurredAt.IsZero() {
			m.Time = "none"
		}
		if !known[m] {
			t.Errorf("%s: generation %s, type %s, occurred at %v: not in the catalogue", s.path, e.Generation, e.Type, e.OccurredAt)
		}
		id := s.provider + " " + e.ExternalID
		if e.ExternalID == "" || ids[id] != "" {
			t.Errorf("%s: ID %q, which %q has, too", s.path, e.ExternalID, ids[id])
		}
		ids[id] = s.path
	}
	for name := range unseen {
		t.Errorf("%s is in the catalogue, but does not exist", name)
	}
}

// TestUnneededMembers: what the envelope does not need cannot make a body unreadable, or change which event it is.
func TestUnneededMembers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 80)
	for name, member := range map[string]string{
		"lone surrogate":             `"note":"\ud83d"`,
		"escaped NUL":                `"note":"a\u0000b"`,
		"no NUL at all":              `"path":"C:\\u0000"`,
		"invalid UTF-8":              "\"note\":\"\xff\"",
		"invalid UTF-8 in name":      "\"\xc3\x28\":1",
		"twice the same name":        `"note":1,"note":2`,
		"huge number":                `"note":1e999`,
		"9,900 levels of arrays":     `"note":` + strings.Repeat("[", 9900) + strings.Repeat("]", 9900),
		"9,900 levels of long names": `"note":` + strings.Repeat(`{"`+long+`":`, 9900) + "1" + strings.Repeat("}", 9900),
		"forty nested long names":    `"note":` + strings.Repeat(`{"`+strings.Repeat("k", 20<<10)+`":`, 40) + "1" + strings.Repeat("}", 40),
	} {
		for _, s := range samples(t) {
			want, wantErr := envelopeOf(t, s.provider, string(s.body))
			body := strings.TrimSpace(string(s.body))
			start := time.Now()
			got, err := envelopeOf(t, s.provider, "{"+member+","+body[1:])
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s, %s: took %v", s.path, name, took)
			}
			if strings.HasPrefix(want.ExternalID, "sha256:") { // other bytes are another event
				want.ExternalID = got.ExternalID
			}
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
				t.Errorf("%s, %s: %v, %s", s.path, name, err, diff)
			}
		}
	}
}

// TestByteOrderMark is skipped for reading. The signature covers it.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		want, _ := envelopeOf(t, s.provider, string(s.body))
		got, _ := envelopeOf(t, s.provider, "\ufeff"+string(s.body))
		if strings.HasPrefix(want.ExternalID, "sha256:") {
			want.ExternalID = got.ExternalID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", s.path, diff)
		}
	}
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(body string) string{
		"empty":              func(string) string { return "" },
		"byte order mark":    func(string) string { return "\ufeff" },
		"truncated":          func(b string) string { return b[:len(b)-1] },
		"something after it": func(b string) string { return b + "{}" },
		"NUL after it":       func(b string) string { return b + "\x00" },
		"UTF-16":             func(b string) string { return strings.Join(strings.Split(b, ""), "\x00") + "\x00" },
		"null":               func(string) string { return "null" },
		"array":              func(b string) string { return "[" + b + "]" },
		"text":               func(string) string { return `"text"` },
		"number":             func(string) string { return "17" },
		"not JSON":           func(string) string { return "event=x&data=y" },
		"empty object":       func(string) string { return "{}" },
		"other object":       func(string) string { return `{"hello":"world"}` },
		"100,000 brackets":   func(string) string { return strings.Repeat("[", 100_000) },
		"100,000 objects":    func(string) string { return strings.Repeat(`{"data":`, 100_000) },
	} {
		for _, s := range samples(t) {
			e, err := envelopeOf(t, s.provider, change(strings.TrimSpace(string(s.body))))
			if !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrContradictory) || !isVerified(err) {
				t.Errorf("%s, %s: %v, want ErrUnreadable", s.path, name, err)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("%s, %s: the error is as long as a body: %.80s…", s.path, name, err)
			}
			if whole, _ := envelopeOf(t, s.provider, string(s.body)); name == "something after it" && e.Type != whole.Type {
				t.Errorf("%s, %s: type %q was readable", s.path, name, whole.Type)
			}
		}
	}
}

// TestTexts: which values of a member can be an ID or a type.
func TestTexts(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", 255)
	for raw, want := range map[string]string{
		`"evt_1"`: "evt_1", `"` + longest + `"`: longest, `17`: "17", `12345678901234567890`: "12345678901234567890", `1.50`: "1.50", `"é"`: "é",
		`"` + longest + `x"`: "", `"` + strings.Repeat("é", 128) + `"`: "", `"a\u0000b"`: "", `"a\ud83d"`: "", "\"a\xff\"": "",
		`""`: "", `null`: "", `true`: "", `["a"]`: "", `{"id":"a"}`: "",
	} {
		r, o := readBody([]byte(`{"id":`+raw+`}`), "v1")
		if got := r.need(o, "id"); got != want || errors.Is(r.err, ErrUnreadable) != (want == "") {
			t.Errorf("%.40s as an ID: %q, %v", raw, got, r.err)
		}
		r, o = readBody([]byte(`{"tenant":`+raw+`}`), "v1")
		warns := want == "" && raw != `""` && raw != "null"
		if got := r.optional(o, "tenant"); got != want || r.err != nil || (len(r.Warnings) > 0) != warns {
			t.Errorf("%.40s as a tenant: %q, %v, %v", raw, got, r.err, r.Warnings)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	third, micros := "2026-02-04T15:00:00Z", "2026-02-04T15:00:00.123456Z"
	for raw, want := range map[string]struct {
		at   string // empty: not said
		warn bool
	}{
		`"2026-02-04T15:00:00Z"`:                {third, false},
		`"2026-02-04T15:00:00.123456789+01:00"`: {"2026-02-04T14:00:00.123456789Z", false},
		`"2026-02-04T15:00:00+0000"`:            {third, false},
		`"2026-02-04T15:00:00+00"`:              {third, false},
		`"2026-02-04 15:00:00Z"`:                {third, false},
		`"2026-02-04 16:00:00.123456+01:00"`:    {micros, false},
		`"2026-02-04t15:00:00z"`:                {third, false},
		`"2026-02-04T15:00:00.123456"`:          {micros, true},
		`"2026-02-04 15:00:00"`:                 {third, true},
		`1770217200`:                            {third, false},
		`1770217200.0`:                          {third, false},
		`1770217200.123456`:                     {micros, false},
		`1.7702172e9`:                           {third, false},
		`1770217200000`:                         {third, false},
		`"1770217200"`:                          {third, false},
		`"1770217200123.456"`:                   {micros, false},
		`0`:                                     {"", true},
		`-5`:                                    {"", true},
		`1e400`:                                 {"", true},
		`99999999999999999999`:                  {"", true},
		`"NaN"`:                                 {"", true},
		`"+Inf"`:                                {"", true},
		`"yesterday"`:                           {"", true},
		`"2026-02-04"`:                          {"", true},
		`"2026-13-04T15:00:00Z"`:                {"", true},
		`"9999-12-31T23:59:59-00:01"`:           {"", true}, // the year 10000 in UTC, which JSON cannot express
		`"0000-01-01T00:00:00+00:01"`:           {"", true},
		`""`:                                    {"", true},
		`null`:                                  {"", true},
		`true`:                                  {"", true},
		`[]`:                                    {"", true},
	} {
		r, o := readBody([]byte(`{"at":`+raw+`}`), "v1")
		got := ""
		if at := r.time(o, "at"); !at.IsZero() {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want.at || (len(r.Warnings) > 0) != want.warn || r.err != nil {
			t.Errorf("%s: %s, warnings %v, %v; want %s", raw, got, r.Warnings, r.err, want.at)
		}
	}
}

// envelopeCase is a body and what is read of it.
type envelopeCase struct {
	name, body string
	want       Envelope
	err        error
}

// testEnvelopes compares all but the texts of warnings: want.Warnings has an element for each.
func testEnvelopes(t *testing.T, provider string, cases []envelopeCase) {
	t.Helper()
	for _, c := range cases {
		got, err := envelopeOf(t, provider, c.body)
		if len(got.Warnings) == len(c.want.Warnings) {
			got.Warnings = c.want.Warnings
		}
		if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %s", c.name, err, diff)
		}
	}
}

// identityCase is a body of an event without an ID, and a change to it that makes it another event or not.
type identityCase struct {
	name, body, old, new string
	same                 bool
}

func testDerivedIDs(t *testing.T, provider string, cases []identityCase) {
	t.Helper()
	for _, c := range cases {
		if strings.Count(c.body, c.old) == 0 {
			t.Fatalf("%s: %q is not in the body", c.name, c.old)
		}
		one, err := envelopeOf(t, provider, c.body)
		two, err2 := envelopeOf(t, provider, strings.Replace(c.body, c.old, c.new, 1))
		if err := errors.Join(err, err2); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !one.Derived || (one.ExternalID == two.ExternalID) != c.same {
			t.Errorf("%s: IDs %s and %s, want the same: %v", c.name, one.ExternalID, two.ExternalID, c.same)
		}
	}
}

// vector is a known answer: a signature that was computed by something that is not this code.
type vector struct {
	name    string
	options map[string]string
	header  http.Header
	body    string
	want    Reason // empty: verified
}

func testVectors(t *testing.T, provider, secret string, at int64, vectors []vector) {
	t.Helper()
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			_, err := mustProvider(t, provider, v.options, secret).Verify(Delivery{Header: v.header, Body: []byte(v.body), ReceivedAt: time.Unix(at, 0)})
			wantReason(t, err, v.want)
		})
	}
}

// testSign checks the headers that Sign makes against known answers. They are from openssl, too.
func testSign(t *testing.T, provider, secret string, options map[string]string, at int64, body string, want http.Header) {
	t.Helper()
	q := mustProvider(t, provider, options, secret, strangersSecret).Sign([]byte(body), time.Unix(at, 0))
	q.Header.Del("User-Agent")
	if diff := cmp.Diff(want, q.Header); diff != "" || string(q.Body) != body {
		t.Errorf("Sign: body %q, headers %s", q.Body, diff)
	}
}
