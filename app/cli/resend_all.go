package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"example.com/identity-webhooks/models"
)

// counted is how many events are looked at to say which stay as they are.
const counted = 10_000

// all replays what a query selects.
func (r *resend) all(ctx context.Context, query url.Values) error {
	if r.limit > 0 {
		query.Set("limit", strconv.Itoa(r.limit))
	}
	var would struct {
		Replay int `json:"would_replay"`
	}
	if err := r.admin.post(ctx, "/api/replay?"+query.Encode()+"&dry_run=true", &would); err != nil {
		return ofCaller(err, "")
	}
	if err := r.tellStaying(ctx, query); err != nil {
		return err
	}
	w := r.cmd.OutOrStdout()
	if r.dryRun || would.Replay == 0 {
		fmt.Fprintf(w, "%s would be replayed\n", countEvents(would.Replay))
		return nil
	}
	if err := r.confirm(fmt.Sprintf("Replay %s?", countEvents(would.Replay)), would.Replay); err != nil {
		return err
	}
	if r.rate > 0 {
		query.Set("rate", strconv.Itoa(r.rate))
	}
	n, err := r.replayAll(ctx, query)
	if n > 0 || err == nil {
		fmt.Fprintf(w, "%s will be replayed%s; go run . events shows what comes of them\n", countEvents(n), r.duration(n))
	}
	return err
}

// replayAll calls until the server has started all of them, since it does in one call only as many as it can in time.
func (r *resend) replayAll(ctx context.Context, query url.Values) (n int, err error) {
	for {
		var answer struct {
			Replayed int
			More     bool
		}
		if err := r.admin.post(ctx, "/api/replay?"+query.Encode(), &answer); err != nil {
			return n, ofCaller(err, "")
		}
		n += answer.Replayed
		switch {
		case !answer.More || r.limit > 0 && n >= r.limit:
			return n, nil
		case r.rate > 0: // another call would begin anew, beside the first
			return n, errors.New("there are more than the server takes at this rate at once: call it again after that time")
		case r.limit > 0:
			query.Set("limit", strconv.Itoa(r.limit-n))
		}
	}
}

// duration says how long a paced replay takes.
func (r *resend) duration(n int) string {
	if r.rate == 0 {
		return ""
	}
	return fmt.Sprintf(", %d a second, the last in %s", r.rate, (time.Duration(max(n-1, 0)) * time.Second / time.Duration(r.rate)).Round(time.Millisecond))
}

// tellStaying says which of the selected events stay as they are, and why.
func (r *resend) tellStaying(ctx context.Context, query url.Values) error {
	if query.Get("status") == string(models.Failed) {
		return nil // all of them are replayed
	}
	filter := maps.Clone(query)
	filter.Del("limit")
	events, err := newest[models.Event](ctx, r.admin, "events", filter, counted)
	if err != nil {
		return err
	}
	staying := map[string]int{}
	for _, e := range events {
		if whyStays(e) != "" {
			staying[eventState(e).text]++
		}
	}
	of := ""
	if len(events) == counted {
		of = fmt.Sprintf("of the newest %d, ", counted)
	}
	for _, state := range slices.Sorted(maps.Keys(staying)) {
		why := "to replay what was applied would change nothing"
		switch status, _, _ := strings.Cut(state, "/"); models.EventStatus(status) {
		case models.Quarantined:
			why = "quarantined events are never applied"
		case models.Received, models.Queued:
			why = "they are being worked on already"
		}
		fmt.Fprintf(r.cmd.OutOrStdout(), "left as it is: %s%s, %s; %s\n", of, countEvents(staying[state]), state, why)
	}
	return nil
}

// confirm asks a person at a terminal whether to go on with so many events. Elsewhere nobody can answer.
func (r *resend) confirm(question string, n int) error {
	file, isFile := r.cmd.InOrStdin().(*os.File)
	if n <= manyEvents || r.yes || !isFile || !isatty.IsTerminal(file.Fd()) {
		return nil
	}
	return agree(file, r.cmd.OutOrStdout(), question)
}

// agree asks a question that only a yes answers.
func agree(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	if text := strings.ToLower(strings.TrimSpace(line)); text != "y" && text != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

func countEvents(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
