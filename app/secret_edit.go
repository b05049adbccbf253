package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// editList changes secrets that are separated by commas or new lines. A line whose secrets stay, stays as it is.
func editList(text string, f func([]string) []string) string {
	before := SplitSecrets(text)
	after := f(slices.Clone(before))
	var b strings.Builder
	for line := range strings.Lines(text) {
		have := SplitSecrets(line)
		kept := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return !slices.Contains(after, s) })
		switch {
		case len(kept) == len(have):
			b.WriteString(line)
		case len(kept) > 0:
			b.WriteString(strings.Join(kept, ",") + ending(line))
		}
	}
	for _, s := range after {
		if slices.Contains(before, s) {
			continue
		}
		if written := b.String(); written != "" && !strings.HasSuffix(written, "\n") {
			b.WriteString("\n")
		}
		b.WriteString(s + "\n")
	}
	return b.String()
}

// editVariable changes the secrets of one variable in a file of NAME=value lines. Its line is replaced, or added at the end.
func editVariable(text, name string, f func([]string) []string) (string, error) {
	vars, ok := parseEnv(text)
	if !ok {
		return "", fmt.Errorf("it has a line that is not NAME=value")
	}
	want := maps.Clone(vars)
	want[name] = strings.Join(f(SplitSecrets(vars[name])), ",")
	if want[name] == vars[name] {
		return text, nil
	}
	lines := slices.Collect(strings.Lines(text))
	assignment := regexp.MustCompile(`^\s*(export\s+)?` + name + `\s*[=:]`)
	at := -1
	for i, line := range lines {
		if assignment.MatchString(line) {
			at = i // the last one counts
		}
	}
	assigned := name + "=" + quoted(want[name])
	if at >= 0 {
		export := assignment.FindStringSubmatch(lines[at])[1]
		lines[at] = export + assigned + ending(lines[at])
	} else {
		if last := len(lines) - 1; last >= 0 && ending(lines[last]) == "" {
			lines[last] += "\n"
		}
		lines = append(lines, assigned+"\n")
	}
	edited := strings.Join(lines, "")
	if got, ok := parseEnv(edited); !ok || !maps.Equal(got, want) {
		return "", fmt.Errorf("%s is written in a way that cannot be edited safely: put it on one line", name)
	}
	return edited, nil
}

// quoted protects what .env would read otherwise.
func quoted(value string) string {
	if strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,+/=:") == "" {
		return value
	}
	return "'" + value + "'"
}

// ending is how a line ends: in a new line of either kind, or not.
func ending(line string) string {
	return line[len(strings.TrimRight(line, "\r\n")):]
}
