package jobs

import (
	"fmt"
	"slices"

	"example.com/identity-webhooks/models"
)

// notes collects what a translation finds odd about a payload and copes with: see Drift.
type notes []string

// word notes a field that we rely on and that is missing, or that has a value we do not know.
func (n *notes) word(field, value string, known ...string) {
	switch {
	case value == "":
		*n = append(*n, field+" is missing")
	case !slices.Contains(known, value):
		*n = append(*n, fmt.Sprintf("%s has the unknown value %.40q", field, value))
	}
}

// on adds the notes to a reaction's change.
func (n notes) on(c models.Change, err error) (models.Change, error) {
	c.Drift = n
	return c, err
}
