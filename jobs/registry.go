package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/identity-webhooks/models"
)

// ErrPermanent means that trying again cannot help.
var ErrPermanent = errors.New("permanent")

// unknownType is the reason for ignoring an event whose type is not in the registry.
const unknownType = "unknown event type"

// translation turns an event into the facts it establishes. It reads no clock, does no I/O and always returns the same result.
type translation func(e models.Event) (models.Facts, error)

// Registry has the translation of each event type. Its keys are provider/generation/type, since a type may have different meanings in two
// generations of a provider's payloads.
type Registry struct {
	translations map[string]translation
	critical     map[string]bool
	readers      map[string]reader // of events whose content has to be read
	apis         map[string]API    // by provider
}

// NewRegistry returns the translations of all providers. Each provider's file begins with its event types and their functions. An event of
// a type that is not listed is recorded and changes nothing. A type that ends in * is for all types that begin like it.
func NewRegistry() *Registry {
	r := &Registry{translations: map[string]translation{}, critical: map[string]bool{}, readers: map[string]reader{}, apis: map[string]API{}}
	diditEvents(r)
	legalTalentEvents(r)
	onfidoEvents(r)
	personaEvents(r)
	plaidEvents(r)
	standardWebhooksEvents(r)
	stripeEvents(r)
	sumsubEvents(r)
	trstEvents(r)
	trustgateEvents(r)
	trustistEvents(r)
	veriffEvents(r)
	return r
}

// option is an option of on.
type option int

// critical puts events of the type into the queue that goes first.
const critical option = 1

// on registers the function for an event type. Its payload is decoded as decode describes. on panics if the type is registered twice.
func on[T any](r *Registry, key string, f func(e models.Event, payload T) (models.Facts, error), options ...option) {
	r.add(key, func(e models.Event) (models.Facts, error) {
		var payload T
		notes, err := decode(e.Body, &payload)
		if err != nil {
			return models.Facts{}, err
		}
		facts, err := f(e, payload)
		facts.Drift = append(notes, facts.Drift...)
		return facts, err
	})
	r.critical[key] = slices.Contains(options, critical)
}

// ignore registers types that change nothing, with the reason that the admin API shows.
func ignore(r *Registry, reason string, keys ...string) {
	for _, key := range keys {
		r.add(key, func(models.Event) (models.Facts, error) { return models.Facts{Ignored: reason}, nil })
	}
}

func (r *Registry) add(key string, t translation) {
	if _, twice := r.translations[key]; twice || strings.Count(key, "/") < 2 {
		panic(fmt.Sprintf("event type %q must be provider/generation/type, and registered once", key))
	}
	r.translations[key] = t
}

// key returns the key for an event type: its own, else that of the longest beginning.
func (r *Registry) key(provider, generation, eventType string) string {
	form := provider + "/" + generation + "/"
	key := form + eventType
	if r.translations[key] != nil {
		return key
	}
	for end := len(key); end >= len(form); end-- {
		if family := key[:end] + "*"; r.translations[family] != nil {
			return family
		}
	}
	return key
}

// Queue names the queue for events of this type.
func (r *Registry) Queue(provider, generation, eventType string) string {
	key := r.key(provider, generation, eventType)
	switch {
	case r.readers[key] != nil:
		return readQueue
	case r.critical[key]:
		return models.CriticalQueue
	}
	return models.DefaultQueue
}

// request returns what to read about an event. Its path is empty if there is nothing.
func (r *Registry) request(e models.Event) (request, error) {
	if read := r.readers[r.key(e.Provider, e.Generation, e.Type)]; read != nil {
		return read(e)
	}
	return request{}, nil
}

// Translate returns the facts that an event establishes. An event of an unknown type is ignored, with that reason. The error wraps
// ErrPermanent if the payload does not say what the event is about.
func (r *Registry) Translate(e models.Event) (models.Facts, error) {
	if e.Type == "" {
		return models.Facts{}, fmt.Errorf("%w: the event type could not be read", ErrPermanent)
	}
	translate := r.translations[r.key(e.Provider, e.Generation, e.Type)]
	if translate == nil {
		return models.Facts{Ignored: unknownType}, nil
	}
	facts, err := translate(e)
	if err == nil {
		err = complete(&facts)
	}
	return facts, err
}
