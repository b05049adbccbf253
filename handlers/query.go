package handlers

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

const (
	defaultLimit = 50
	maxLimit     = 500
	maxBytes     = 4 << 20 // of a page
)

// Page reads limit and cursor: the part of a list that a call asks for.
func Page(c *gin.Context) (models.Page, error) {
	n, err := number(c, "limit", maxLimit)
	p := models.Page{Limit: cmp.Or(n, defaultLimit)}
	if err != nil {
		return p, err
	}
	if text := c.Query("cursor"); text != "" {
		if p.Before = position(text); p.Before <= 0 {
			return p, BadRequest("cursor must be a next_cursor of an earlier answer")
		}
	}
	return p, nil
}

// maxPosition is beyond any list. It keeps a cursor that somebody made up from using up the places in the list of changes.
const maxPosition = 1 << 53

// position is the opposite of Cursor. It is -1 if the text is not a cursor.
func position(cursor string) int64 {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	n, err2 := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || err2 != nil || n > maxPosition {
		return -1
	}
	return n
}

// Cursor returns the cursor of the page that has the rows with lower IDs.
func Cursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

// number reads a whole number from 1 to most. It is 0 if the parameter is missing.
func number(c *gin.Context, name string, most int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, BadRequest(fmt.Sprintf("%s must be a number from 1 to %d", name, most))
	}
	return n, nil
}

// list answers with a page of rows and the cursor of the next page, which is empty at the end.
func list[F, T any](
	c *gin.Context, name string, filter func(*gin.Context) (F, error),
	read func(context.Context, F, models.Page) ([]T, error), id func(T) int64,
) (int, any, error) {
	f, err := filter(c)
	if err != nil {
		return 0, nil, err
	}
	p, err := Page(c)
	if err != nil {
		return 0, nil, err
	}
	rows, last, err := collect(&p, func(p models.Page) ([]T, error) { return read(c.Request.Context(), f, p) }, id)
	next := ""
	if !last {
		next = Cursor(p.Before)
	}
	return http.StatusOK, gin.H{name: rows, "next_cursor": next}, err
}

// collect reads a page as JSON. It sets p.Before to the position of the last row, and reports whether there are no more rows. It reads a
// few rows at a time and stops at maxBytes, so that large rows can be listed, too. A page that stops there is shorter than its limit.
func collect[T any](p *models.Page, read func(models.Page) ([]T, error), id func(T) int64) (rows []json.RawMessage, last bool, err error) {
	rows, size := []json.RawMessage{}, 0
	for !last && len(rows) < p.Limit && size <= maxBytes {
		part := models.Page{Limit: min(defaultLimit, p.Limit-len(rows)), Before: p.Before}
		found, err := read(part)
		if err != nil {
			return nil, false, err
		}
		last = len(found) < part.Limit
		for _, row := range found {
			text, err := json.Marshal(row)
			if err != nil {
				return nil, false, err
			}
			if size += len(text); size > maxBytes && len(rows) > 0 {
				last = false
				break
			}
			rows, p.Before = append(rows, text), id(row)
		}
	}
	return rows, last, nil
}

// EventFilter reads the filter for events. The names in further are allowed as well.
func EventFilter(c *gin.Context, further ...string) (models.EventFilter, error) {
	f := models.EventFilter{
		Provider: c.Query("provider"), ExternalID: c.Query("external_id"), Type: c.Query("type"),
		Status: models.EventStatus(c.Query("status")), Outcome: models.Outcome(c.Query("outcome")),
	}
	return f, errors.Join(
		known(c, append(further, "provider", "external_id", "type", "status", "outcome", "customer_id", "since", "until")...),
		instant(c, "since", &f.Since), instant(c, "until", &f.Until),
		oneOf("status", f.Status, models.EventStatuses),
		oneOf("outcome", f.Outcome, models.Outcomes),
		optionalID(c, "customer_id", &f.CustomerID),
	)
}

// noFilter is the filter of a list that has none.
func noFilter(c *gin.Context) (struct{}, error) { return struct{}{}, known(c, "limit", "cursor") }

// CustomerFilter reads the filter for customers. The names in further are allowed as well.
func CustomerFilter(c *gin.Context, further ...string) (models.CustomerFilter, error) {
	f := models.CustomerFilter{
		Provider: c.Query("provider"), SubjectID: c.Query("subject_id"), ExternalID: c.Query("external_id"),
		Status: models.Status(c.Query("status")), RiskLevel: c.Query("risk_level"),
	}
	hold := c.Query("aml_hold")
	if hold != "" {
		f.AMLHold = new(hold == "true")
	}
	return f, errors.Join(
		known(c, append(further, "provider", "subject_id", "external_id", "status", "aml_hold", "risk_level", "limit", "cursor")...),
		oneOf("status", f.Status, models.Statuses),
		oneOf("aml_hold", hold, []string{"true", "false"}),
	)
}

// FollowUpFilter reads the filter for follow-ups.
func FollowUpFilter(c *gin.Context) (models.FollowUpFilter, error) {
	f := models.FollowUpFilter{Status: models.FollowUpStatus(c.Query("status")), Name: c.Query("name")}
	return f, errors.Join(
		known(c, "status", "name", "customer_id", "event_id", "limit", "cursor"),
		oneOf("status", f.Status, models.FollowUpStatuses),
		optionalID(c, "customer_id", &f.CustomerID),
		optionalID(c, "event_id", &f.EventID),
	)
}

// known refuses parameters that are unknown, repeated or unreadable. If unknown ones were ignored, a filter with a typo would select
// everything.
func known(c *gin.Context, names ...string) error {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return BadRequest("the query cannot be read: " + err.Error())
	}
	for name, list := range values {
		switch {
		case !slices.Contains(names, name):
			return BadRequest(fmt.Sprintf("unknown parameter %q; known are %s", name, strings.Join(names, ", ")))
		case len(list) > 1:
			return BadRequest(fmt.Sprintf("parameter %s comes %d times; give it once", name, len(list)))
		case !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0):
			return BadRequest(fmt.Sprintf("parameter %s is not text", name))
		}
	}
	return nil
}

// oneOf refuses a value that no row can have.
func oneOf[T ~string](name string, value T, values []T) error {
	if value != "" && !slices.Contains(values, value) {
		return BadRequest(fmt.Sprintf("%s is %q; it can be %v", name, value, values))
	}
	return nil
}

// instant reads a time, or a duration before now such as 24h, if the parameter is there.
func instant(c *gin.Context, name string, at *models.Time) error {
	text := c.Query(name)
	if text == "" {
		return nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		*at = models.At(time.Now().Add(-ago))
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return BadRequest(name + " must be a time such as 2026-03-02T10:00:00Z, or a duration before now such as 24h")
	}
	*at = models.At(t)
	return nil
}

// optionalID reads the ID of a row, if the parameter is there.
func optionalID(c *gin.Context, name string, id *int64) error {
	text := c.Query(name)
	if *id = rowID(text); *id == 0 && text != "" {
		return BadRequest(name + " must be an id, a positive number")
	}
	return nil
}

// rowID reads the ID of a row, a positive number. It is 0 if the text is not one.
func rowID(text string) int64 {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return max(id, 0)
}
