package inspector

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// parse reads the template of each page. It panics if one has an error: the templates are part of the program.
func (i *inspector) parse() map[string]*template.Template {
	base := template.Must(template.New("").Funcs(i.functions()).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	pages := map[string]*template.Template{}
	for _, name := range []string{
		"overview", "events", "replay", "event", "customers", "customer", "cases", "companies", "follow-ups", "queues", "catalogue", "error",
	} {
		pages[name] = template.Must(template.Must(base.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return pages
}

// functions returns the functions that templates may call.
func (i *inspector) functions() template.FuncMap {
	return template.FuncMap{
		"active":    func(provider string) bool { return i.Providers[provider] != nil },
		"advice":    advice,
		"caseState": caseState,
		"choice": func(label, name string, f url.Values, options any) choice {
			return choice{label, name, f.Get(name), options}
		},
		"count":   count,
		"explain": explain,
		"is":      func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) },
		"join":    join,
		"name":    name,
		"nav":     func() []string { return sections },
		"options": i.options,
		"payload": readPayload,
		"percent": func(n, all int64) int64 { return max(n*100/max(all, 1), 1) },
		"personal": func(f models.ProfileField) bool {
			return f == models.FirstName || f == models.LastName || f == models.Email
		},
		"plain":    plain,
		"plural":   plural,
		"provider": handlers.ProviderTitle,
		"section":  section,
		"short":    short,
		"state":    state,
		"tone":     tone,
		"took":     took,
		"why":      why,
		"words":    words,
	}
}

// sections are the entries of the navigation.
var sections = []string{"/", "/events", "/customers", "/cases", "/companies", "/follow-ups", "/queues", "/catalogue"}

// section returns the name of an entry.
func section(path string) string {
	if path == "/" {
		return "Overview"
	}
	return strings.ToUpper(path[1:2]) + path[2:]
}

// choice is a filter with a list of values.
type choice struct {
	Label, Name, Value string
	Options            any
}

// options lists the values of a filter.
func (i *inspector) options(of string) any {
	switch of {
	case "provider":
		return handlers.ProviderNames()
	case "event status":
		return models.EventStatuses
	case "outcome":
		return models.Outcomes
	case "customer status":
		return models.Statuses
	case "follow-up status":
		return models.FollowUpStatuses
	case "risk":
		return []string{"low", "medium", "high"}
	case "hold":
		return []bool{true, false}
	}
	var types []string
	for _, s := range i.Catalogue {
		types = append(types, s.Type)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// state returns the outcome of an event or, if it has none yet, its status.
func state(e models.Event) string { return cmp.Or(string(e.Outcome), string(e.Status)) }

// caseState returns the status of a case: the provider's word, or "resolved" once the case is resolved.
func caseState(k models.Case) string {
	switch {
	case k.IsOpen():
		return cmp.Or(k.Status, "open")
	case !k.ResolvedAt.IsZero():
		return "resolved"
	}
	return cmp.Or(k.Status, "mentioned") // so far only a hit names it
}

// tone returns the CSS class that gives a word its colour. The colour only repeats what the word says.
func tone(word any) string {
	switch fmt.Sprint(word) {
	case "applied", "verified", "passed", "clear", "done", "processed", "low", "active", "false_positive":
		return "ok"
	case "failed", "rejected", "hit", "error", "high", "alert", "inactive", "critical":
		return "bad"
	case "in_review", "quarantined", "medium", "on hold", "overtaken", "withdrawn", "late", "urgent", "open", "escalated", "waiting":
		return "warn"
	case "received", "queued", "in_progress", "assigned":
		return "info"
	}
	return "quiet"
}

// took formats a duration.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// count formats a number, with its digits in groups of three.
func count(n any) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "\u202f" + digits[at:]
	}
	return digits
}

func plural(n any, one, many string) string {
	if fmt.Sprint(n) == "1" {
		return "1 " + one
	}
	return count(n) + " " + many
}

// plain formats a value of a column or a payload.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case *int:
		if v == nil {
			return ""
		}
		return fmt.Sprint(*v)
	case []string:
		return strings.Join(v, ", ")
	case models.Strings:
		return strings.Join(v, ", ")
	}
	return strings.TrimSpace(fmt.Sprint(value))
}

// words formats a value such as in_review as plain words.
func words(word any) string { return strings.ReplaceAll(plain(word), "_", " ") }

// join joins the parts that are not empty.
func join(parts ...any) string {
	var texts []string
	for _, p := range parts {
		if text := plain(p); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, " · ")
}

// name returns our own ID of a customer, or the provider's.
func name(c models.Customer) string { return cmp.Or(c.ExternalID, short(c.SubjectID)) }

// short shortens long IDs, such as UUIDs.
func short(id string) string {
	if len(id) <= 18 {
		return id
	}
	return strings.ToValidUTF8(id[:13], "") + "…"
}
