package testservers

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// API is a double of the providers' APIs, which answers from the folder api of testdata: GET /onfido/checks/1 with onfido/checks/1.json, and
// /onfido/reports?check_id=1 with onfido/reports/check_id/1.json. For a POST, the first member of the body counts like the last part of the
// path. What is not there is 404. A call without credentials is 401.
func API(testdata fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAuthorized(r.Header) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		file := path.Join("api", r.URL.Path, strings.ReplaceAll(r.URL.RawQuery, "=", "/"))
		if members := map[string]string{}; r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&members) == nil && len(members) > 0 {
			file = path.Join(file, members[slices.Min(slices.Collect(maps.Keys(members)))])
		}
		answer, err := fs.ReadFile(testdata, file+".json")
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
}

// isAuthorized reports whether a header has credentials in the form of some provider.
func isAuthorized(h http.Header) bool {
	return slices.ContainsFunc([]string{"Authorization", "Plaid-Secret"}, func(name string) bool { return h.Get(name) != "" })
}
