package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// message is an event to be sent.
type message struct {
	name     string // the sample's; the provider's where the body comes from a file
	provider string
	body     []byte
	renew    bool      // it gets a new ID, and times of which the newest is at
	at       time.Time // zero: when it is sent
	set      []assignment
	number   int // when it happened among those that are sent in a random order, from 1; 0 where they are not
}

// messages returns what is to be sent under a name.
func (t *trigger) messages(name string) ([]message, error) {
	m, err := t.message(name)
	if err != nil {
		return nil, err
	}
	if _, err := m.bytes(time.Now()); err != nil { // a mistake in --set is found before anything is sent
		return nil, err
	}
	list := make([]message, t.count)
	last := time.Now()
	for i := range list {
		list[i] = m
		if t.shuffle { // they happened one after the other, whatever the order they arrive in
			list[i].number = i + 1
			list[i].at = last.Add(time.Duration(i+1-t.count) * time.Second)
		}
	}
	return list, nil
}

func (t *trigger) message(name string) (m message, err error) {
	if t.file == "" {
		m.name, m.body, err = findSample(t.samples, name)
		m.renew = !t.repeat
	} else if m.body, err = os.ReadFile(t.file); err != nil {
		err = fmt.Errorf("--file: %w", err)
	} else {
		m.name = name
	}
	if err != nil {
		return m, err
	}
	m.provider, _, _ = strings.Cut(m.name, "/")
	m.set, err = assignments(t.set, t.setNew)
	return m, err
}

// bytes returns the body to be sent at this time. What is set explicitly stays, be it an ID or a time.
func (m message) bytes(now time.Time) ([]byte, error) {
	body := m.body
	if m.renew {
		if !m.at.IsZero() {
			now = m.at
		}
		var err error
		if body, err = renew(body, now); err != nil {
			return nil, fmt.Errorf("renew %s: %w", m.name, err)
		}
	}
	return assign(body, m.set)
}

// label names a message to a person.
func (m message) label() string {
	if m.number == 0 {
		return m.name
	}
	return fmt.Sprintf("%s #%d", m.name, m.number)
}

// mix brings messages into the order that a seed stands for.
func mix(list []message, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it is to be repeated, not secret
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}
