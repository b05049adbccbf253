package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/diagnosis"
	"example.com/identity-webhooks/handlers"
)

// verify is the verify command's flags.
type verify struct {
	provider   string
	secretEnv  string
	secretFile string
	request    string
	headers    []string
	body       string
	at         string
	json       bool
}

func newVerify() *cobra.Command {
	v := &verify{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether a delivery is valid, or why it is not",
		Long: `Verifies a delivery as the server does, and says why if it is not valid: a header that is missing, a body that was changed
on the way and how, a secret that was used in another form, a clock that is wrong. It sends nothing, and prints no secret,
signature or body.

The delivery is a raw HTTP request on the standard input or in a file, with lines that end in LF or CRLF; what follows the empty
line is the body, as long as Content-Length says if it is there. Its path says which provider it is for. Instead, --header and
--body give the parts.

The secrets are those of the configuration, as for the server, unless --secret-env or --secret-file gives others.

Exit codes: 0 valid, 1 not valid, 2 the command line, the request or the configuration is wrong.`,
		Example: `  go run . verify < delivery.http
  go run . verify --request delivery.http --at 2026-02-04T15:00:00Z --json
  go run . verify --provider trst --header 'X-Webhook-Signature: sha256=…' --body body.json
  go run . verify --provider trustgate --secret-env OLD_SECRET --request delivery.http`,
		Args: cobra.NoArgs,
		RunE: v.run,
	}
	f := cmd.Flags()
	f.StringVar(&v.provider, "provider", "", "whose delivery it is (default: by the path of the request)")
	f.StringVar(&v.secretEnv, "secret-env", "", "take the secrets from these variables, by name, separated by commas")
	f.StringVar(&v.secretFile, "secret-file", "", "take the secrets from this file")
	f.StringVar(&v.request, "request", "-", "read the raw request from this file (-: the standard input)")
	f.StringArrayVar(&v.headers, "header", nil, "a header of the delivery, as Name: value; may be repeated")
	f.StringVar(&v.body, "body", "", "with --header: read the body from this file, byte for byte (-: the standard input)")
	f.StringVar(&v.at, "at", "", "when it was received, as 2026-02-04T15:00:00Z (default now)")
	f.BoolVar(&v.json, "json", false, "print one JSON object")
	return cmd
}

func (v *verify) run(cmd *cobra.Command, _ []string) error {
	if known := handlers.ProviderNames(); v.provider != "" && !slices.Contains(known, v.provider) {
		return usageError{fmt.Errorf("unknown provider %q: want %s", v.provider, strings.Join(known, ", "))}
	}
	at, err := v.time()
	if err != nil {
		return err
	}
	r, err := v.read(cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	provider, token, err := v.route(r)
	if err != nil {
		return err
	}
	c, err := v.secrets(provider)
	if err != nil {
		return err
	}
	c.Provider, c.Missing, c.Extra = provider, r.Missing, r.Extra
	c.Delivery = handlers.Delivery{Header: r.Header, Token: token, Body: r.Body, ReceivedAt: at}
	found, err := diagnosis.Diagnose(c)
	if err != nil {
		return usageError{fmt.Errorf("%w: set %s or --secret-env", err, app.SecretName(provider))}
	}
	if err := printFinding(cmd.OutOrStdout(), found, v.json); err != nil {
		return err
	}
	if !found.Valid {
		return fmt.Errorf("the delivery is not valid: %s", found.Cause)
	}
	return nil
}

func (v *verify) time() (time.Time, error) {
	if v.at == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, v.at)
	if err != nil {
		return at, usageError{fmt.Errorf("--at is %q: want a time as 2026-02-04T15:00:00Z", v.at)}
	}
	return at, nil
}

// route returns the provider that a request is for, and the token in its path.
func (v *verify) route(r diagnosis.Request) (provider, token string, err error) {
	provider, token = diagnosis.Route(r.Path)
	switch {
	case v.provider != "":
		provider = v.provider
	case provider == "":
		return "", "", usageError{errors.New("no request line leads to /webhooks/<provider>: say whose delivery it is with --provider")}
	}
	if handlers.TokenInPath(provider) && r.Path == "" {
		return "", "", usageError{fmt.Errorf("%s is known by its path: give the raw request, with its request line", provider)}
	}
	return provider, token, nil
}

func printFinding(w io.Writer, f diagnosis.Finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(f)
	}
	p := newPainter(w)
	if f.Valid {
		fmt.Fprintf(w, "%s: %s %s\n", p.paint(green, "valid"), f.Provider, printable(f.Event.Type))
		fmt.Fprintf(w, "  event     %s, occurred at %s, generation %s\n",
			printable(f.Event.ExternalID), f.Event.OccurredAt.Format(time.RFC3339Nano), f.Event.Generation)
		if f.Warning != "" {
			fmt.Fprintf(w, "  %s   %s\n", p.paint(yellow, "warning"), f.Warning)
		}
		return nil
	}
	causes := string(f.Cause)
	for _, also := range f.Also {
		causes += ", " + string(also)
	}
	fmt.Fprintf(w, "%s: %s, %s\n", p.paint(red, "not valid"), f.Provider, p.paint(bold, causes))
	fmt.Fprintf(w, "  why       %s\n  to do     %s\n", f.Explanation, f.Hint)
	return nil
}

// printable keeps what is no text off the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
