package handlers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// page reads limit and cursor.
func page(c *gin.Context) (models.Page, error) {
	p := models.Page{Limit: defaultLimit}
	n, err := number(c, "limit", maxLimit)
	if err != nil {
		return p, err
	}
	if n > 0 {
		p.Limit = n
	}
	if text := c.Query("cursor"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return p, badRequest("cursor must be a next_cursor of an earlier answer")
		}
		if p.Before, err = strconv.ParseInt(string(raw), 10, 64); err != nil || p.Before < 1 {
			return p, badRequest("cursor must be a next_cursor of an earlier answer")
		}
	}
	return p, nil
}

// number reads a whole number from 1 to most. It is 0 where the parameter is absent.
func number(c *gin.Context, name string, most int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest(fmt.Sprintf("%s must be a number from 1 to %d", name, most))
	}
	return n, nil
}

// list wraps a page with the cursor of the next one, empty at the end.
func list[T any](name string, rows []T, p models.Page, id func(T) int64, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	next := ""
	if len(rows) == p.Limit {
		next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id(rows[len(rows)-1]), 10))
	}
	if rows == nil {
		rows = []T{}
	}
	return http.StatusOK, gin.H{name: rows, "next_cursor": next}, nil
}

// eventFilter reads which events a call is about. The call may have further parameters.
func eventFilter(c *gin.Context, further ...string) (models.EventFilter, error) {
	f := models.EventFilter{
		Provider: c.Query("provider"), ExternalID: c.Query("external_id"), Type: c.Query("type"),
		Status: models.EventStatus(c.Query("status")), Outcome: models.Outcome(c.Query("outcome")),
	}
	err := errors.Join(
		known(c, append(further, "provider", "external_id", "type", "status", "outcome", "customer_id")...),
		oneOf("status", f.Status, models.EventStatuses),
		oneOf("outcome", f.Outcome, models.Outcomes),
	)
	if err != nil {
		return f, err
	}
	if text := c.Query("customer_id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return f, badRequest("customer_id must be a customer's id")
		}
		f.CustomerID = id
	}
	return f, nil
}

// customerFilter reads which customers a call is about.
func customerFilter(c *gin.Context) (models.CustomerFilter, error) {
	f := models.CustomerFilter{
		Provider: c.Query("provider"), SubjectID: c.Query("subject_id"), ExternalID: c.Query("external_id"),
		Status: models.Status(c.Query("status")),
	}
	err := errors.Join(
		known(c, "provider", "subject_id", "external_id", "status", "aml_hold", "limit", "cursor"),
		oneOf("status", f.Status, models.Statuses),
	)
	if err != nil {
		return f, err
	}
	if text := c.Query("aml_hold"); text != "" {
		hold, err := strconv.ParseBool(text)
		if err != nil {
			return f, badRequest("aml_hold must be true or false")
		}
		f.AMLHold = &hold
	}
	return f, nil
}

// known refuses parameters that the call does not have, that come twice or cannot be read: with a typo in a filter it would
// select everything.
func known(c *gin.Context, names ...string) error {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return badRequest("the query cannot be read: " + err.Error())
	}
	for name, list := range values {
		switch {
		case !slices.Contains(names, name):
			return badRequest(fmt.Sprintf("unknown parameter %q; known are %s", name, strings.Join(names, ", ")))
		case len(list) > 1:
			return badRequest(fmt.Sprintf("parameter %s comes %d times; give it once", name, len(list)))
		case !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0):
			return badRequest(fmt.Sprintf("parameter %s is not text", name))
		}
	}
	return nil
}

// oneOf refuses a value that no row can have.
func oneOf[T ~string](name string, value T, values []T) error {
	if value != "" && !slices.Contains(values, value) {
		return badRequest(fmt.Sprintf("%s is %q; it can be %v", name, value, values))
	}
	return nil
}

func pathID(c *gin.Context) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("the id in the path must be a positive number")
	}
	return id, nil
}
