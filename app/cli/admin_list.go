package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
)

// mostPerPage is how many rows the admin API gives at once.
const mostPerPage = 500

// pages calls take with each page of a list, newest first, until it returns false or there is no more.
func pages[T any](ctx context.Context, admin *adminClient, name string, query url.Values, size int, take func([]T) bool) error {
	asked := maps.Clone(query)
	asked.Set("limit", strconv.Itoa(size))
	for {
		var answer map[string]json.RawMessage
		if err := admin.get(ctx, "/api/"+name+"?"+asked.Encode(), &answer); err != nil {
			return ofCaller(err, "")
		}
		var rows []T
		var next string
		if err := json.Unmarshal(answer[name], &rows); err != nil {
			return fmt.Errorf("read list of %s: %w", name, err)
		}
		if err := json.Unmarshal(answer["next_cursor"], &next); err != nil {
			return fmt.Errorf("read cursor of %s: %w", name, err)
		}
		if !take(rows) || next == "" {
			return nil
		}
		asked.Set("cursor", next)
	}
}

// newest returns the newest rows of a list, at most so many, the newest last.
func newest[T any](ctx context.Context, admin *adminClient, name string, query url.Values, most int) ([]T, error) {
	var found []T
	err := pages(ctx, admin, name, query, min(most, mostPerPage), func(rows []T) bool {
		found = append(found, rows...)
		return len(found) < most
	})
	found = found[:min(len(found), most)]
	slices.Reverse(found)
	return found, err
}
