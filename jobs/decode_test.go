package jobs

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// payload has a field of each type that payload structs have.
type payload struct {
	Text     string   `json:"text"`
	Said     *string  `json:"said"`
	Int      int      `json:"int"`
	MaybeInt *int     `json:"maybe_int"`
	Float    float64  `json:"float"`
	Bool     bool     `json:"bool"`
	Maybe    *bool    `json:"maybe"`
	List     []string `json:"list"`
	Word     string   `json:"word,omitempty" oneof:"yes no"`
	Part     struct {
		Text string `json:"text"`
	} `json:"part"`
	MaybePart *struct {
		Text string `json:"text"`
	} `json:"maybe_part"`
	Parts []struct {
		ID string `json:"id"`
	} `json:"parts"`
	Count int `json:"parts.#"`
}

type part = struct {
	Text string `json:"text"`
}

type id = struct {
	ID string `json:"id"`
}

func to[T any](v T) *T { return &v }

// A member that does not fit its field is coerced or dropped, and noted; the rest of the payload is read all the same.
func TestDecodeIsTolerant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body  string
		want  payload
		notes []string
	}{
		"all as expected": {
			`{"text":"a","said":"b","int":1,"maybe_int":2,"float":1.5,"bool":true,"maybe":false,"list":["a","b"],"word":"yes","part":{"text":"c"},
			  "maybe_part":{"text":"d"},"parts":[{"id":"1"},{"id":"2"}],"new":{"a":[1]}}`,
			payload{"a", to("b"), 1, to(2), 1.5, true, to(false), []string{"a", "b"}, "yes", part{"c"}, &part{"d"}, []id{{"1"}, {"2"}}, 2}, nil,
		},
		"null is absent, but an empty text where that is asked for": {
			`{"text":null,"said":null,"int":null,"maybe_int":null,"float":null,"bool":null,"maybe":null,"list":null,"word":null,"part":null,"maybe_part":null,"parts":null}`,
			payload{Said: to("")}, nil,
		},
		"numbers as text": {
			`{"int":"81","maybe_int":" 18.0 ","float":"88.4"}`,
			payload{Int: 81, MaybeInt: to(18), Float: 88.4},
			[]string{"int is text, want a number", "maybe_int is text, want a number", "float is text, want a number"},
		},
		"whole numbers as fractions, and fractions": {`{"int":18.0,"maybe_int":17.6}`, payload{Int: 18, MaybeInt: to(18)}, nil},
		"numbers that are none": {
			`{"int":"","maybe_int":"much","float":{},"list":7}`, payload{},
			[]string{"int is text, want a number", "maybe_int is text, want a number", "float is an object, want a number", "list is a number, want an array"},
		},
		"numbers beyond all limits": {
			`{"int":1e400,"maybe_int":-9007199254740993,"float":"1e400"}`,
			payload{Int: math.MaxInt32, MaybeInt: to(math.MinInt32), Float: math.MaxFloat64}, []string{"float is text, want a number"},
		},
		"text as a number keeps its digits": {
			`{"text":12345678901234567890,"parts":[{"id":41}]}`, payload{Text: "12345678901234567890", Parts: []id{{"41"}}, Count: 1},
			[]string{"text is a number, want text", "parts[].id is a number, want text"},
		},
		"text as an object with an ID": {`{"text":{"id":"u","name":"x"}}`, payload{Text: "u"}, []string{"text is an object, want text"}},
		"text as something else":       {`{"text":[],"said":true}`, payload{}, []string{"text is an array, want text", "said is true, want text"}},
		"yes and no in other forms": {
			`{"bool":"True","maybe":1}`, payload{Bool: true, Maybe: to(true)},
			[]string{"bool is text, want true or false", "maybe is a number, want true or false"},
		},
		"what cannot be read is no yes": {
			`{"bool":"yes","maybe":[]}`, payload{Maybe: to(false)},
			[]string{"bool is text, want true or false", "maybe is an array, want true or false"},
		},
		"an object for a list, a text for a list": {`{"list":{},"parts":{}}`, payload{}, []string{"list is an object, want an array", "parts is an object, want an array"}},
		"one text is a list of one":               {`{"list":"a"}`, payload{List: []string{"a"}}, []string{"list is text, want an array"}},
		"an empty list is one":                    {`{"list":[],"parts":[]}`, payload{List: []string{}, Parts: []id{}}, nil},
		"odd elements of lists": {
			`{"list":["a",7,{},null],"parts":[{"id":"1"},"x",null,{}]}`, payload{List: []string{"a", "7"}, Parts: []id{{"1"}, {}, {}, {}}, Count: 4},
			[]string{"list[] is a number, want text", "list[] is an object, want text", "parts[] is text, want an object"},
		},
		"an empty array for an object is absent": {
			`{"part":[],"maybe_part":[]}`, payload{}, []string{"part is an array, want an object", "maybe_part is an array, want an object"},
		},
		"an unreadable object is there": {`{"maybe_part":"x"}`, payload{MaybePart: &part{}}, []string{"maybe_part is text, want an object"}},
		"words":                         {`{"word":" YES\n"}`, payload{Word: "yes"}, nil},
		"unknown words":                 {`{"word":"Perhaps"}`, payload{Word: "perhaps"}, []string{`word has the unknown value "perhaps"`}},
		"unreadable words":              {`{"word":{}}`, payload{Word: unreadable}, []string{"word is an object, want text"}},
		"names match by case":           {`{"Text":"a","INT":1}`, payload{}, nil},
		"a byte order mark":             {"\ufeff" + `{"text":"a"}`, payload{Text: "a"}, nil},
		"characters that no database takes": {
			"{\"text\":\"a\\u0000b\xffc\\ud83dd\",\"list\":[\"C:\\\\u0000\"]}", payload{Text: "a\ufffdb\ufffdc\ufffdd", List: []string{`C:\u0000`}}, nil,
		},
		"long texts end between characters": {
			`{"text":"` + strings.Repeat("ä", 3000) + `"}`, payload{Text: strings.Repeat("ä", 2048)}, []string{"text is a long text, cut off"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got payload
			notes, err := decode([]byte(c.body), &got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// The only errors are bodies that are no JSON object, and they say nothing of what the body says.
func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `null`, `[]`, `7`, `{"text":"CANARY"`, `{"text":"CANARY",}`, `{"text":'CANARY'}`, strings.Repeat("[", 1<<20)} {
		var p payload
		_, err := decode([]byte(body), &p)
		if !errors.Is(err, ErrPermanent) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%.40s: %v, want %v without a word of the body", body, err, ErrPermanent)
		}
	}
}

// A list is cut off where it is too long, and its full length is still known.
func TestDecodeBoundsLists(t *testing.T) {
	t.Parallel()
	var p payload
	body := `{"parts":[` + strings.Repeat(`{"id":"1"},`, 4095) + `{}],"list":["` + strings.Repeat(strings.Repeat("x", 4000)+`","`, 200) + `"]}`
	if _, err := decode([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	size := len(strings.Join(p.List, ""))
	if len(p.Parts) != maxList || p.Count != 4096 || size > maxListText+maxText {
		t.Errorf("%d parts of %d, %d bytes of texts", len(p.Parts), p.Count, size)
	}
}

// Bodies made to be expensive cost about as much as others of their length, and are read all the same.
func TestDecodeIsLinear(t *testing.T) { // not parallel: what others allocate would count
	nested := func(levels int, key string) string {
		open := `{"` + key + `":`
		return strings.Repeat(open, levels) + `1` + strings.Repeat("}", levels)
	}
	for name, odd := range map[string]string{
		"9,900 levels of long names":      nested(9900, strings.Repeat("k", 80)),
		"forty levels of 20 KB names":     nested(40, strings.Repeat("k", 20<<10)),
		"200,000 levels of short names":   nested(200_000, "k"),
		"500,000 arrays":                  strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000),
		"one level of 100,000 names":      `{` + strings.Repeat(`"k":1,`, 100_000) + `"k":1}`,
		"a long list of objects, as text": `"` + strings.Repeat(`{\"k\":1},`, 100_000) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(`{"odd":` + odd + `,"word":"no","part":` + odd + `,"text":"a"}`)
			var p payload
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			started := time.Now()
			_, err := decode(body, &p)
			newFields(body, map[string]bool{})
			took := time.Since(started)
			runtime.ReadMemStats(&after)
			if err != nil || p.Word != "no" || p.Text != "a" {
				t.Errorf("%+v, %v", p, err)
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 10*time.Second || used > 256 { // quadratic work takes minutes and gigabytes
				t.Errorf("took %s and %d MB", took, used)
			}
			t.Logf("%d KB in %s, %d KB allocated", len(body)>>10, took, (after.TotalAlloc-before.TotalAlloc)>>10)
		})
	}
}
