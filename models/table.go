package models

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// table is a table of rows of type T, with the statements that apply an event, written once. It takes the columns from gorm,
// which reads and lists the same rows elsewhere.
type table[T any] struct {
	fields []*schema.Field
	cells  int // how many of the fields are written: all but an ID that the database gives

	list, insert, onLock, onPut, onTouch string
}

// newTable returns the table of T, whose rows are told apart by the key columns. Indexed are the columns that further indexes
// depend on.
func newTable[T any](key []string, indexed ...string) *table[T] {
	parsed, err := schema.Parse(new(T), &sync.Map{}, schema.NamingStrategy{})
	if err != nil {
		panic(err) // a programmer's error
	}
	t := &table[T]{}
	var id []*schema.Field
	var columns, news, unindexed []string
	for _, name := range parsed.DBNames {
		field := parsed.FieldsByDBName[name]
		if name == "id" {
			id = append(id, field)
			continue
		}
		t.fields = append(t.fields, field)
		columns = append(columns, name)
		if slices.Contains(key, name) {
			continue
		}
		news = append(news, name+" = excluded."+name)
		if !slices.Contains(indexed, name) {
			unindexed = append(unindexed, name+" = excluded."+name)
		}
	}
	t.cells = len(t.fields)
	t.fields = append(t.fields, id...)
	conflict := " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET "
	t.insert = "INSERT INTO " + parsed.Table + " (" + strings.Join(columns, ", ") + ") VALUES "
	if len(id) > 0 {
		columns = append(columns, "id")
	}
	t.list = "SELECT " + strings.Join(columns, ", ") + " FROM " + parsed.Table
	t.onLock = conflict + "updated_at = excluded.updated_at RETURNING " + strings.Join(columns, ", ")
	t.onPut = conflict + strings.Join(news, ", ")
	t.onTouch = conflict + strings.Join(unindexed, ", ")
	return t
}

// lock inserts those of the rows of whose keys there are none, and returns all as they are, locked until the transaction ends.
func (t *table[T]) lock(tx *gorm.DB, rows []*T) (locked []T, err error) {
	for _, group := range groups(tx, rows) {
		statement, args := t.inserting(group)
		found, err := collect(tx, t.pointers, statement+t.onLock, args...)
		if err != nil {
			return nil, err
		}
		locked = append(locked, found...)
	}
	return locked, nil
}

// put writes rows in place of the older ones of their keys.
func (t *table[T]) put(tx *gorm.DB, rows []*T) error { return t.write(tx, rows, t.onPut) }

// touch is put for rows whose indexed columns are as they were. SQLite rewrites the entries of each index that a column of an
// UPDATE belongs to, even where the column keeps its value: in large tables that is most of what an event costs.
func (t *table[T]) touch(tx *gorm.DB, rows []*T) error { return t.write(tx, rows, t.onTouch) }

func (t *table[T]) write(tx *gorm.DB, rows []*T, onConflict string) error {
	for _, group := range groups(tx, rows) {
		statement, args := t.inserting(group)
		if _, err := exec(tx, statement+onConflict, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *table[T]) inserting(rows []*T) (statement string, args []any) {
	for _, row := range rows {
		args = append(args, t.values(row)[:t.cells]...)
	}
	return t.insert + places(len(rows), make([]string, t.cells)...), args
}

// find returns the rows with one of the values in a column; never nil.
func (t *table[T]) find(db *gorm.DB, column string, values []int64, order string) ([]T, error) {
	if len(values) == 0 {
		return []T{}, nil
	}
	var args []any
	for i := range roundUp(len(values)) { // so that a few statements serve all lengths
		args = append(args, values[min(i, len(values)-1)])
	}
	found, err := collect(db, t.pointers, t.list+" WHERE "+column+" IN "+places(1, make([]string, len(args))...)+" ORDER BY "+order, args...)
	if found == nil {
		found = []T{}
	}
	return found, err
}

// values are a row's, in the order of the fields.
func (t *table[T]) values(row *T) []any {
	v := reflect.ValueOf(row)
	values := make([]any, len(t.fields))
	for i, f := range t.fields {
		values[i], _ = f.ValueOf(context.Background(), v)
	}
	return values
}

// pointers is where a row's values go, in the order of the fields.
func (t *table[T]) pointers(row *T) []any {
	v := reflect.ValueOf(row)
	pointers := make([]any, len(t.fields))
	for i, f := range t.fields {
		pointers[i] = f.ReflectValueOf(context.Background(), v).Addr().Interface()
	}
	return pointers
}
