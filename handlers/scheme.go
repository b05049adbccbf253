package handlers

import "time"

// MaxBody is the largest body that is taken, in bytes.
const MaxBody = maxBody

// Scheme is one way in which a provider's deliveries are verified. Verify decides; this is for those who explain to a person
// what it decided.
type Scheme struct {
	Signature string        // the header with the MAC in hex; empty where the token in the path is all there is
	Prefix    string        // what stands before the MAC
	Contents  []string      // what may be signed: FormBody, FormTimestampBody or both
	Timestamp string        // the header with Unix seconds; empty if none is needed
	MaxAge    time.Duration // of the timestamp; zero if it may be as old as it likes
	MaxAhead  time.Duration // of the timestamp before our clock; zero if no clock is asked
	ID        string        // the header that must not differ from the body's ID; empty if there is none
	Setting   string        // the environment variable that chooses among the contents; empty if there is no choice
}
