package jobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/models"
)

// Some events only name what changed. The worker reads it from the provider's API, and puts the answer into the inbox as an event of the
// generation "read", which is translated like any other. So a translation still does no I/O, and the order of events still does not matter.

const (
	// readQueue has the events that need a read, so that a slow provider does not delay other events.
	readQueue = "read"
	// readTasks is how many tasks of that queue run at once.
	readTasks = 4
	// readTimeout is for all calls of an attempt. It is shorter than a claim and a shutdown.
	readTimeout = 7 * time.Second
	// maxAnswer is the longest answer in bytes, as long as the longest body of a delivery.
	maxAnswer = 1 << 20
)

// The reasons for ignoring an event that needs a read.
const (
	onlyNames = "it names what changed; what was read is an event of its own"
	gone      = "gone: the provider no longer has what it names"
)

// errGone means that the provider no longer has what an event names.
var errGone = errors.New("gone")

// API describes a provider's API as far as it is read. Its base URL is the variable <NAME>_API_URL.
type API struct {
	URL         string   // the default of that variable
	Credentials []string // the variables of the credentials; all of them are needed
	authorize   func(h http.Header, credentials map[string]string)
}

// APISettings say how to reach a provider's API.
type APISettings struct {
	URL         string            // without a slash at the end
	Credentials map[string]string // by variable
}

// request is a call that reads what an event names. It follows no URL of the event's body: all that comes from there is the IDs.
type request struct {
	method string   // empty means GET
	path   string   // below the base URL, such as /checks/{}. Each {} is replaced by an ID. Without them, it is the type of the answer's event
	ids    []string // of what is read
	body   any      // sent as JSON, unless it is nil

	updated  string                           // the answer's member with the time of its last change; without one, the time is that of the event
	at       func(answer gjson.Result) string // returns that time, if it is not always the same member
	volatile string                           // a member that differs in each answer and means nothing

	typeMember string // the member of the answer to set to the type of the event that led to the read; empty for none

	more string // the member of the answer that gets the answer to another call; empty if one call is enough
	next func(answer gjson.Result) request
}

// reader says what to read about an event. If there is nothing, the path is empty.
type reader func(e models.Event) (request, error)

// reads registers what to read about events of a type. Its payload is decoded as decode describes. A function for the same type must be
// registered before; without one, events of the type establish nothing by themselves.
func reads[T any](r *Registry, key string, f func(e models.Event, payload T) (request, error)) {
	provider, _, _ := strings.Cut(key, "/")
	if _, known := r.apis[provider]; !known || r.readers[key] != nil {
		panic(fmt.Sprintf("event type %q is read twice, or before its API is registered", key))
	}
	if r.translations[key] == nil {
		ignore(r, onlyNames, key)
	}
	r.readers[key] = func(e models.Event) (request, error) {
		var payload T
		if _, err := decode(e.Body, &payload); err != nil {
			return request{}, err
		}
		return f(e, payload)
	}
}

// api registers the API of a provider, before its readers.
func (r *Registry) api(provider string, a API) { r.apis[provider] = a }

// APIs returns the APIs of the providers with events that need a read, by provider.
func (r *Registry) APIs() map[string]API { return r.apis }

// Missing lists the variables without which the API cannot be read.
func (a API) Missing(s APISettings) (variables []string) {
	for _, name := range a.Credentials {
		if s.Credentials[name] == "" {
			variables = append(variables, name)
		}
	}
	return variables
}

// eventType returns the type of the answer's event, such as checks.
func (r request) eventType() string { return strings.Trim(strings.ReplaceAll(r.path, "/{}", ""), "/") }

// url returns the URL to call. The IDs are escaped, so none of them can lead elsewhere.
func (r request) url(base string) (string, error) {
	path := r.path
	for _, id := range r.ids {
		if strings.Trim(id, ".") == "" || len(id) > maxID {
			return "", missing("usable ID of what changed")
		}
		path = strings.Replace(path, "{}", strings.ReplaceAll(url.QueryEscape(id), "+", "%20"), 1)
	}
	return base + path, nil
}

// readAndTranslate returns the facts of an event, after any read that it needs. If what it names is gone, an event that establishes nothing
// by itself is ignored for that reason. A panic fails only this attempt.
func (w *Worker) readAndTranslate(ctx context.Context, log *slog.Logger, e models.Event) (facts models.Facts, err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in translation", "err", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in translation: %v", p)
		}
	}()
	facts, req, err := w.translate(e)
	if err != nil || req.path == "" || facts.Sandbox {
		return facts, err
	}
	err = w.read(ctx, log, e, req)
	if errors.Is(err, errGone) {
		if facts.Ignored != "" {
			facts.Ignored = gone
		}
		return facts, nil
	}
	return facts, err
}

// read reads what an event names and puts the answer into the inbox. The external ID follows from the answer and its time, so that the same
// answer is the same event.
func (w *Worker) read(ctx context.Context, log *slog.Logger, e models.Event, req request) (err error) {
	began, result := time.Now(), readFailed
	defer func() {
		w.metrics.reads.WithLabelValues(e.Provider, result).Inc()
		log.Info("read", "resource", req.eventType(), "result", result, "ms", time.Since(began).Milliseconds())
	}()
	answer, err := w.fetch(ctx, e.Provider, req)
	if err != nil {
		if errors.Is(err, errGone) {
			result = readGone
		}
		return fmt.Errorf("read %s: %w", req.eventType(), err)
	}
	if req.at == nil {
		req.at = func(answer gjson.Result) string { return answer.Get(req.updated).String() }
	}
	at := e.OccurredAt
	if updated, err := time.Parse(time.RFC3339, req.at(gjson.ParseBytes(answer))); err == nil {
		at = models.At(updated)
	}
	if req.typeMember != "" {
		if answer, err = sjson.SetBytes(answer, req.typeMember, e.Type); err != nil {
			return fmt.Errorf("read %s: %w", req.eventType(), errNotJSON)
		}
	}
	lasting := answer
	if req.volatile != "" {
		if lasting, err = sjson.DeleteBytes(slices.Clone(answer), req.volatile); err != nil {
			return fmt.Errorf("read %s: %w", req.eventType(), errNotJSON)
		}
	}
	sum := sha256.Sum256(lasting)
	id := strings.Join([]string{models.GenerationRead, req.eventType(), strings.Join(req.ids, "/"), at.Format(time.RFC3339Nano), hex.EncodeToString(sum[:8])}, ":")
	found := models.Event{
		Provider: e.Provider, Generation: models.GenerationRead, ExternalID: shortID(id), Derived: true, Type: req.eventType(),
		TenantID: e.TenantID, CorrelationID: e.CorrelationID, Sandbox: e.Sandbox,
		Queue: w.Registry.Queue(e.Provider, models.GenerationRead, req.eventType()), Body: answer,
		OccurredAt: at, ReceivedAt: models.At(w.now()),
	}
	if found.LimitTime() { // the ID has the provider's time: with that of receipt, each read would be another event
		log.Warn("time of an answer replaced by the time of receipt: it is too far ahead", "resource", found.Type)
	}
	// Store the answer even if the task was canceled meanwhile: otherwise the read would have to be repeated.
	receipt, err := w.Store.AddEvent(context.WithoutCancel(ctx), found)
	if err != nil {
		return err
	}
	if result = readNew; receipt == models.Repeated {
		result = readKnown
	}
	w.Wake()
	return nil
}

// fetch makes the calls of a request and returns the answer.
func (w *Worker) fetch(ctx context.Context, provider string, req request) (answer []byte, err error) {
	api, settings := w.Registry.apis[provider], w.APIs[provider]
	if missing := api.Missing(settings); len(missing) > 0 {
		return nil, fmt.Errorf("%w: set %s to read events of %s, and replay this one", ErrPermanent, strings.Join(missing, " and "), provider)
	}
	ctx, cancel := context.WithTimeout(ctx, w.readTimeout)
	defer cancel()
	header := http.Header{}
	api.authorize(header, settings.Credentials)
	if answer, err = w.call(ctx, settings.URL, header, req); err != nil || req.more == "" {
		return answer, err
	}
	more, err := w.call(ctx, settings.URL, header, req.next(gjson.ParseBytes(answer)))
	if err != nil {
		return nil, err
	}
	return sjson.SetRawBytes(answer, req.more, more)
}

var errNotJSON = errors.New("the answer is not a JSON object")

// call makes one call. Errors contain the host and the status, and nothing else of the URL or the answer. What cannot become better by
// itself, such as wrong credentials, is permanent.
func (w *Worker) call(ctx context.Context, base string, header http.Header, r request) ([]byte, error) {
	address, err := r.url(base)
	if err != nil {
		return nil, err
	}
	header = header.Clone()
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("%w: encode the request: %w", ErrPermanent, err)
		}
		header.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: the base URL of the API is not valid", ErrPermanent)
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "identity-webhooks")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL.Host, hideURL(err))
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close() // it was read, or the error says why not
	answered := fmt.Sprintf("%s answered %d %s", req.URL.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		return nil, fmt.Errorf("%s: %w", answered, errGone)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return nil, errors.New(answered)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s: the credentials are not accepted; correct them, and replay this event", ErrPermanent, answered)
	case code >= 300 && code < 400:
		return nil, fmt.Errorf("%w: %s, and redirects are not followed: the base URL of the API is wrong", ErrPermanent, answered)
	case code != http.StatusOK:
		return nil, fmt.Errorf("%w: %s", ErrPermanent, answered)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", req.URL.Host, hideURL(err))
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("%w: the answer of %s is longer than %d bytes", ErrPermanent, req.URL.Host, maxAnswer)
	case !gjson.ValidBytes(answer) || !gjson.ParseBytes(answer).IsObject():
		return nil, errNotJSON
	}
	return answer, nil
}
