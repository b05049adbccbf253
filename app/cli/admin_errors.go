package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// unanswered is an error of a call of the admin API that brought no answer.
type unanswered struct{ error }

func (e unanswered) Unwrap() error { return e.error }

// Error says what to do where nobody listens.
func (e unanswered) Error() string {
	text := "ask the admin API: " + e.error.Error()
	if e.refused() {
		text += " (is the server running? start it with: go run .)"
	}
	return text
}

// refused reports whether there was no connection.
func (e unanswered) refused() bool {
	op, isOp := errors.AsType[*net.OpError](e.error)
	return isOp && op.Op == "dial"
}

// statusError is an answer of the admin API that is not 2xx.
type statusError struct {
	status int
	said   string // the error in the answer, if it is one of ours
	text   string
}

func newStatusError(url string, resp *http.Response, body []byte) statusError {
	var answer struct{ Error string }
	if err := json.Unmarshal(body, &answer); err != nil {
		answer.Error = "" // a proxy's page, or another program's
	}
	text := fmt.Sprintf("ask the admin API: %s answers %s", url, resp.Status)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		text += ": set ADMIN_PASSWORD to that of the server"
	case answer.Error != "":
		text += ": " + answer.Error
	default:
		text += "; is ADMIN_ADDR that of the server?"
	}
	return statusError{resp.StatusCode, answer.Error, text}
}

func (e statusError) Error() string { return e.text }

// errNoRow says that a call named a row that there is not.
var errNoRow = errors.New("there is no")

// ofCaller makes what the admin API says of a call that makes no sense an error of whoever called the command. The name is
// that of the row that the call asks for, as in "event 7", if it asks for one.
func ofCaller(err error, name string) error {
	e, isStatus := errors.AsType[statusError](err)
	switch {
	case isStatus && e.status == http.StatusBadRequest && e.said != "":
		return usageError{errors.New(e.said)}
	case isStatus && e.status == http.StatusNotFound && e.said == "not found" && name != "":
		return fmt.Errorf("%w %s", errNoRow, name)
	}
	return err
}

// isAway reports whether a call found no server, or one that was just going or coming.
func isAway(err error) bool {
	_, silent := errors.AsType[unanswered](err)
	status, isStatus := errors.AsType[statusError](err)
	return silent || isStatus && status.status == http.StatusServiceUnavailable
}
