package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// Sample describes an event type and its sample: an object in testdata/<provider>/catalogue.jsonl.
type Sample struct {
	Provider   string   `json:"-"`
	Generation string   `json:"generation"`
	Type       string   `json:"type"`
	Meaning    string   `json:"meaning"`
	File       string   `json:"sample"`              // below the folder of the provider; Catalogue makes it a path below testdata
	Documented bool     `json:"documented"`          // by the provider
	Time       string   `json:"time,omitempty"`      // "none" if the body has no time: that of arrival counts
	FreeForm   []string `json:"free_form,omitempty"` // fields of the payload that may contain anything
}

// Catalogue lists the samples of all providers. The files are those of testdata.
func Catalogue(testdata fs.FS) (all []Sample, err error) {
	files, err := fs.Glob(testdata, "*/catalogue.jsonl")
	if err != nil {
		return nil, fmt.Errorf("list catalogues: %w", err)
	}
	for _, file := range files {
		lines, err := fs.ReadFile(testdata, file)
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		for d := json.NewDecoder(bytes.NewReader(lines)); ; {
			s := Sample{Provider: path.Dir(file)}
			if err := d.Decode(&s); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			s.File = path.Join(s.Provider, s.File)
			all = append(all, s)
		}
	}
	return all, nil
}
