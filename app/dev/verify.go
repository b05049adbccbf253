package dev

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/dev/diagnosis"
	"example.com/identity-webhooks/handlers"
)

// maxRequest is the largest request that is read, in bytes. It is far above the server's limit, so that verify can tell that a body
// is too large for the server.
const maxRequest = 16 << 20

// verify is the verify command's flags.
type verify struct {
	provider, secretEnv, request, body, at string
	headers                                []string
	json                                   bool
}

func newVerify(Env) *cobra.Command {
	v := &verify{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether a delivery is valid, or why it is not",
		Long: `Verifies a delivery as the server does. If it is not valid, it says why: a
header is missing, the body was changed on the way, the secret is another one,
a clock is wrong. It sends nothing, and prints no secret, signature or body.

The delivery is a raw HTTP request in a file or on the standard input. Its path
says which provider it is for. Or give its parts with --header and --body.

The secrets are those of the configuration, unless --secret-env names others.

Exit codes: 0 valid, 1 not valid, 2 the command line, the request or the
configuration is wrong.`,
		Example: `  go run . verify < delivery.http
  go run . verify --request delivery.http --at 2026-02-04T15:00:00Z --json
  go run . verify --provider stripe --body body.json \
    --header 'Stripe-Signature: t=1770217200,v1=…'
  go run . verify --secret-env OLD_SECRET --request delivery.http`,
		Args: cobra.NoArgs,
		RunE: v.run,
	}
	f := cmd.Flags()
	f.StringVar(&v.provider, "provider", "", "the provider (default: by the path of the request)")
	f.StringVar(&v.secretEnv, "secret-env", "", "take the secrets from the variables with these names")
	f.StringVar(&v.request, "request", "-", "read the raw request from this file")
	f.StringArrayVar(&v.headers, "header", nil, "a header, as 'Name: value'; may be repeated")
	f.StringVar(&v.body, "body", "", "read the body from this file, byte for byte")
	f.StringVar(&v.at, "at", "", "when it was received (default: now)")
	f.BoolVar(&v.json, "json", false, "print one JSON object")
	cmd.MarkFlagsRequiredTogether("header", "body")
	cmd.MarkFlagsMutuallyExclusive("request", "body")
	complete(cmd, "provider", handlers.ProviderNames())
	return cmd
}

func (v *verify) run(cmd *cobra.Command, _ []string) error {
	at := time.Now()
	if v.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, v.at); err != nil {
			return UsageError{fmt.Errorf("--at is %q: want a time such as 2026-02-04T15:00:00Z", v.at)}
		}
	}
	r, err := v.read(cmd)
	if err != nil {
		return usage(err)
	}
	provider, token := diagnosis.Route(r.Path)
	switch provider = cmp.Or(v.provider, provider); {
	case provider == "":
		return UsageError{errors.New("the request does not say which provider it is for: use --provider")}
	case !slices.Contains(handlers.ProviderNames(), provider):
		return UsageError{fmt.Errorf("unknown provider %q: want %s", provider, strings.Join(handlers.ProviderNames(), ", "))}
	case handlers.TokenInPath(provider) && r.Path == "":
		return UsageError{fmt.Errorf("the secret of %s is in the path: give the raw request with its request line", provider)}
	}
	c, err := v.secrets(provider)
	if err != nil {
		return usage(err)
	}
	c.Provider, c.Missing, c.Extra = provider, r.Missing, r.Extra
	c.Delivery = handlers.Delivery{Header: r.Header, Token: token, Body: r.Body, ReceivedAt: at}
	found, err := diagnosis.Diagnose(c)
	if err != nil {
		return UsageError{fmt.Errorf("%w: set %s, or use --secret-env", err, app.SecretName(provider))}
	}
	if err := printFinding(cmd.OutOrStdout(), found, v.json); err != nil {
		return err
	}
	if !found.Valid {
		return fmt.Errorf("the delivery is not valid: %s", found.Cause)
	}
	return nil
}

// read returns the delivery.
func (v *verify) read(cmd *cobra.Command) (diagnosis.Request, error) {
	if v.body == "" {
		raw, err := readInput(cmd, "request", v.request)
		if err != nil {
			return diagnosis.Request{}, err
		}
		return diagnosis.ParseRequest(raw)
	}
	for _, h := range v.headers {
		if !strings.Contains(h, ":") || strings.ContainsAny(h, "\r\n") {
			return diagnosis.Request{}, errors.New("--header wants 'Name: value', each header in a flag of its own")
		}
	}
	body, err := readInput(cmd, "body", v.body)
	if err != nil {
		return diagnosis.Request{}, err
	}
	return diagnosis.ParseRequest(slices.Concat([]byte(strings.Join(append(v.headers, "", ""), "\n")), body))
}

// readInput reads a file, or the standard input for "-".
func readInput(cmd *cobra.Command, flag, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		defer f.Close() //nolint:errcheck // it is only read
		in = f
	} else if f, isFile := in.(*os.File); isFile && isatty.IsTerminal(f.Fd()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Paste the delivery, then press Ctrl+D at the start of a line.")
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(in, maxRequest+1)); err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	if b.Len() > maxRequest {
		return nil, fmt.Errorf("--%s: larger than %d MiB", flag, maxRequest>>20)
	}
	return b.Bytes(), nil
}

// secrets returns a case with the secrets to verify with. If --secret-env gives others, those of the configuration are tried as well.
func (v *verify) secrets(provider string) (diagnosis.Case, error) {
	if v.secretEnv == "" {
		c, err := app.LoadConfig()
		return diagnosis.Case{Secrets: c.Secrets, Options: c.Options}, err
	}
	environ, err := app.Environ()
	if err != nil {
		return diagnosis.Case{}, err
	}
	var given []handlers.Secret
	for name := range strings.SplitSeq(v.secretEnv, ",") {
		i := slices.IndexFunc(environ, func(pair string) bool { return strings.HasPrefix(pair, strings.TrimSpace(name)+"=") })
		if i < 0 {
			return diagnosis.Case{}, errors.New("--secret-env names a variable that is not set; it wants names, not secrets")
		}
		_, value, _ := strings.Cut(environ[i], "=")
		for _, secret := range splitSecrets(value) {
			given = append(given, handlers.Secret{Value: secret})
		}
	}
	// Nothing else of the configuration is needed, so problems in it, such as no secret in production, do not matter.
	c, _ := app.ReadConfig(environ)
	d := diagnosis.Case{Secrets: map[string][]handlers.Secret{}, Options: c.Options, Spare: c.Secrets[provider]}
	for name, secrets := range c.Secrets {
		d.Secrets[name] = secrets
	}
	d.Secrets[provider] = given
	return d, nil
}

func printFinding(w io.Writer, f diagnosis.Finding, asJSON bool) error {
	if asJSON {
		return printJSON(w, f)
	}
	p := newPainter(w)
	if f.Valid {
		fmt.Fprintf(w, "%s: %s %s\n", p.paint(green, "valid"), f.Provider, clean(f.Event.Type))
		pairs := [][2]string{
			{"  external_id", f.Event.ExternalID}, {"  occurred_at", f.Event.OccurredAt.Format(time.RFC3339Nano)}, {"  generation", f.Event.Generation},
		}
		for _, warning := range f.Warnings {
			pairs = append(pairs, [2]string{"  warning", warning})
		}
		fields(w, pairs...)
		return nil
	}
	causes := string(f.Cause)
	for _, also := range f.Also {
		causes += ", " + string(also)
	}
	fmt.Fprintf(w, "%s: %s, %s\n%s\n%s\n", p.paint(red, "not valid"), f.Provider, p.paint(bold, causes), wrap("  ", f.Explanation), wrap("  → ", f.Hint))
	return nil
}

// wrap breaks a text into lines of at most defaultWidth characters. The first begins with start, the others are indented as much.
func wrap(start, text string) string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(start))
	lines, line := []string{}, start
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > defaultWidth:
			lines, line = append(lines, line), indent+word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
