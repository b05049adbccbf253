package dev

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/dev/diagnosis"
	"example.com/identity-webhooks/handlers"
)

// verify holds the flags of the verify command.
type verify struct {
	provider, request, body, at string
	headers, secretEnv          []string
	json                        bool
}

func newVerify(Env) *cobra.Command {
	v := &verify{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether a delivery is valid and, if not, why",
		Long: `Verifies a delivery as the server does. If it is not valid, verify says why: for
example, a header is missing, the body was changed on the way, or the secret or
a clock is wrong. It sends nothing, and prints no secret, signature or body.

The delivery is a raw HTTP request in a file or on the standard input. Its path
says which provider it is for. You can also give its parts with --header and
--body.

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
	f.StringVar(&v.provider, "provider", "", "the provider (default: the one in the path of the request)")
	f.StringSliceVar(&v.secretEnv, "secret-env", nil, "take the secrets from the variables with these names")
	f.StringVar(&v.request, "request", "-", "read the raw request from this file")
	f.StringArrayVar(&v.headers, "header", nil, "a header, as 'Name: value'; may be repeated")
	f.StringVar(&v.body, "body", "", "read the body from this file, byte for byte")
	f.StringVar(&v.at, "at", "", "when the delivery was received (default: now)")
	f.BoolVar(&v.json, "json", false, "print one JSON object")
	cmd.MarkFlagsRequiredTogether("header", "body")
	cmd.MarkFlagsMutuallyExclusive("request", "body")
	complete(cmd, "provider", handlers.ProviderNames())
	return cmd
}

func (v *verify) run(cmd *cobra.Command, _ []string) error {
	r, err := v.read(cmd)
	if err != nil {
		return usage(err)
	}
	c, err := v.secrets(r.Provider)
	if err != nil {
		return usage(err)
	}
	c.Request = r
	found, err := diagnosis.Diagnose(c)
	if err != nil {
		return usagef("%w: set %s, or use --secret-env", err, app.SecretName(r.Provider))
	}
	if err := printFinding(cmd.OutOrStdout(), found, v.json); err != nil || found.Valid {
		return err
	}
	return fmt.Errorf("the delivery is not valid: %s", found.Cause)
}

// read returns the delivery, with a known provider.
func (v *verify) read(cmd *cobra.Command) (r diagnosis.Request, err error) {
	received := time.Now()
	if v.at != "" {
		if received, err = time.Parse(time.RFC3339, v.at); err != nil {
			return r, fmt.Errorf("--at is %q: want a time such as 2026-02-04T15:00:00Z", v.at)
		}
	}
	name, head := v.request, ""
	if v.body != "" {
		name, head = v.body, strings.Join(v.headers, "\n")+"\n\n"
	}
	raw, err := readInput(cmd, name)
	if err != nil {
		return r, err
	}
	if r, err = diagnosis.ParseRequest(append([]byte(head), raw...)); err != nil {
		return r, err
	}
	r.Delivery.ReceivedAt = received
	r.Provider = cmp.Or(v.provider, r.Provider)
	switch {
	case r.Provider == "":
		return r, errors.New("the request does not say which provider it is for: use --provider")
	case handlers.TokenInPath(r.Provider) && r.Path == "":
		return r, fmt.Errorf("the secret of %s is in the path: give the raw request with its request line", r.Provider)
	}
	return r, checkProvider(r.Provider)
}

// readInput reads a file, or the standard input for "-".
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Paste it, then press Ctrl+D at the start of a line.")
	}
	return io.ReadAll(cmd.InOrStdin())
}

// secrets returns a case with the secrets to verify with. If --secret-env names some, the configured secrets of the
// provider only help to explain a failure.
func (v *verify) secrets(provider string) (c diagnosis.Case, err error) {
	if len(v.secretEnv) == 0 {
		config, err := app.LoadConfig()
		return diagnosis.Case{Secrets: config.Secrets, Options: config.Options}, err
	}
	environ, err := app.Environ()
	if err != nil {
		return c, err
	}
	// Nothing else of the configuration is needed, so problems in it, such as no secret in production, do not matter.
	config, _ := app.ReadConfig(environ)
	c = diagnosis.Case{Secrets: map[string][]handlers.Secret{}, Options: config.Options, Spare: config.Secrets[provider]}
	maps.Copy(c.Secrets, config.Secrets)
	c.Secrets[provider] = nil
	variables := env.ToMap(environ)
	for _, name := range v.secretEnv {
		value, set := variables[strings.TrimSpace(name)]
		if !set {
			return c, errors.New("--secret-env names a variable that is not set; it takes the names of variables, not secrets")
		}
		for _, secret := range app.SplitSecrets(value) {
			isSandbox := strings.TrimSpace(name) == app.SandboxSecretName(provider)
			c.Secrets[provider] = append(c.Secrets[provider], handlers.Secret{Value: secret, Sandbox: isSandbox})
		}
	}
	return c, nil
}

func printFinding(w io.Writer, f diagnosis.Finding, asJSON bool) error {
	if asJSON {
		return printJSON(w, f)
	}
	p := newPainter(w)
	if f.Valid {
		fmt.Fprintf(w, "%s: %s %s\n", p.paint(green, "valid"), f.Provider, clean(f.Event.Type))
		pairs := [][2]string{
			{"  external_id", f.Event.ExternalID},
			{"  occurred_at", f.Event.OccurredAt.Format(time.RFC3339Nano)},
			{"  generation", f.Event.Generation},
		}
		if f.Event.OccurredAt.IsZero() {
			pairs[1][1] = "not in the body: the time of arrival"
		}
		if f.Event.Sandbox {
			pairs = append(pairs, [2]string{"  sandbox", "yes, according to the secret or the body"})
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
	fmt.Fprintf(w, "%s: %s, %s\n", p.paint(red, "not valid"), f.Provider, p.paint(bold, causes))
	fmt.Fprintln(w, wrap("  ", f.Explanation)+"\n"+wrap("  → ", f.Hint))
	return nil
}
