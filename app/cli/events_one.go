package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/models"
)

// fullEvent is what the admin API says of one event.
type fullEvent struct {
	models.Event
	Payload    json.RawMessage `json:"payload"`
	BodyBase64 string          `json:"body_base64"`
}

// one shows an event with its payload.
func (e *eventsCommand) one(cmd *cobra.Command, arg string) error {
	var full fullEvent
	raw, err := readOne(cmd, "event", arg, &full)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if e.json {
		fmt.Fprintf(w, "%s\n", raw)
		return nil
	}
	x := full.Event
	fields := newFields(w)
	fields.add("event", x.ID)
	fields.add("provider", x.Provider)
	fields.add("type", x.Type)
	fields.add("generation", x.Generation)
	fields.add("external_id", x.ExternalID)
	fields.add("tenant_id", x.TenantID)
	fields.add("correlation_id", x.CorrelationID)
	fields.paint("status", eventState(x))
	fields.paint("error", cell{x.LastError, red})
	fields.add("queue", x.Queue)
	fields.add("attempts", x.Attempts)
	fields.add("deliveries", x.Deliveries)
	fields.add("customer", x.CustomerID)
	fields.add("occurred_at", x.OccurredAt)
	fields.add("received_at", x.ReceivedAt)
	fields.add("processed_at", x.ProcessedAt)
	fields.print()
	return full.printBody(w)
}

func (e *fullEvent) printBody(w io.Writer) error {
	if e.Payload != nil {
		var b bytes.Buffer
		if err := json.Indent(&b, e.Payload, "", "  "); err != nil {
			return fmt.Errorf("show payload: %w", err)
		}
		fmt.Fprintf(w, "\n%s\n", harmless(b.String()))
		return nil
	}
	body, err := base64.StdEncoding.DecodeString(e.BodyBase64)
	if err != nil {
		return fmt.Errorf("show body: %w", err)
	}
	fmt.Fprintf(w, "\n%d bytes, which are no JSON: %q\n", len(body), body)
	return nil
}

// harmless escapes in a JSON text what would change the terminal: its strings may hold the control characters from 0x7f on.
func harmless(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) && r <= 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// readOne asks for one row of a list, such as "event", into answer. It returns the answer's bytes, too.
func readOne(cmd *cobra.Command, name, arg string, answer any) (json.RawMessage, error) {
	if n := cmd.Flags().NFlag(); n > 1 || n == 1 && !cmd.Flags().Changed("json") {
		return nil, usageError{fmt.Errorf("with the id of one %s, the only flag is --json", name)}
	}
	if id, err := strconv.ParseInt(arg, 10, 64); err != nil || id < 1 {
		return nil, usageError{fmt.Errorf("%q is no id: want a number, as %ss lists them", arg, name)}
	}
	c, err := loadConfig()
	if err != nil {
		return nil, err
	}
	raw, err := newAdminClient(c).call(cmd.Context(), "GET", "/api/"+name+"s/"+arg)
	if err != nil {
		return nil, ofCaller(err, name+" "+arg)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", name, arg, err)
	}
	return bytes.TrimSpace(raw), nil
}
