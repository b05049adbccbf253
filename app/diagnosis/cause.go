package diagnosis

import (
	"errors"
	"fmt"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// Cause is what is wrong with a delivery, as a name that programs can rely on.
type Cause string

// The causes.
const (
	MissingHeader       Cause = "missing_header"
	OtherHeader         Cause = "other_header"
	RepeatedHeader      Cause = "repeated_header"
	MalformedSignature  Cause = "malformed_signature"
	MissingPrefix       Cause = "missing_prefix"
	UnexpectedPrefix    Cause = "unexpected_prefix"
	WrongPrefix         Cause = "wrong_prefix"
	Base64Signature     Cause = "base64_signature"
	TruncatedSignature  Cause = "truncated_signature"
	OtherHash           Cause = "other_hash" // SHA-1, SHA-384 or SHA-512
	PlainHash           Cause = "plain_hash" // no HMAC
	OtherScheme         Cause = "other_scheme"
	MissingTimestamp    Cause = "missing_timestamp"
	MalformedTimestamp  Cause = "malformed_timestamp"
	TimestampUnit       Cause = "timestamp_unit"
	TooOld              Cause = "too_old"
	FromTheFuture       Cause = "from_the_future"
	WithoutTimestamp    Cause = "signed_without_timestamp"
	WithTimestamp       Cause = "signed_with_timestamp"
	WithID              Cause = "signed_id_timestamp_body"
	OtherContent        Cause = "other_content"
	SecretPrefix        Cause = "secret_prefix" // whsec_ taken off or put before
	SecretDecoded       Cause = "secret_decoded"
	SecretWhitespace    Cause = "secret_whitespace" // or quotes
	SecretCase          Cause = "secret_case"
	SecretComma         Cause = "secret_comma"
	EmptySecret         Cause = "empty_secret"
	OtherSecret         Cause = "other_secret" // another provider's
	NewlineAdded        Cause = "newline_added"
	NewlineRemoved      Cause = "newline_removed"
	SpaceAdded          Cause = "space_added"
	SpaceRemoved        Cause = "space_removed"
	BOMAdded            Cause = "bom_added"
	BOMRemoved          Cause = "bom_removed"
	LineEndings         Cause = "line_endings"
	Charset             Cause = "charset"
	JSONRewritten       Cause = "json_rewritten"
	BodyEncoded         Cause = "body_encoded" // base64, gzip or a JSON string
	BodyCutShort        Cause = "body_cut_short"
	BodyEmpty           Cause = "body_empty"
	EmptyBodySigned     Cause = "empty_body_signed"
	ContentLength       Cause = "content_length"
	BodyTooLarge        Cause = "body_too_large"
	UnreadableBody      Cause = "unreadable_body"
	ContradictoryBody   Cause = "contradictory_body"
	OtherID             Cause = "other_id"
	OtherProvider       Cause = "other_provider"
	OtherProvidersForm  Cause = "other_providers_form"
	MissingToken        Cause = "missing_token"
	WrongToken          Cause = "wrong_token"
	SecretOrBodyChanged Cause = "wrong_secret_or_changed_body" // nothing tells which
)

// fault is one thing that is wrong, in a sentence, with a sentence on what to do.
type fault struct {
	cause             Cause
	explanation, hint string
}

const rawBody = "Keep the bytes of the body as they come, and verify those, before a framework, proxy or editor rewrites them."

func undecided() fault {
	return fault{SecretOrBodyChanged,
		"The signature is well formed and fits nothing that was tried: either another secret was used, or the body is not the one that was signed.",
		"Compare the secret with the one in the provider's dashboard, then capture the body as bytes rather than from a log."}
}

func bodyTooLarge(n int) fault {
	return fault{BodyTooLarge, fmt.Sprintf("The body has %d bytes, and the server takes no more than %d.", n, handlers.MaxBody),
		"Ask the provider why: all documented bodies are below 2 KiB."}
}

func unreadable(err error) fault {
	return fault{UnreadableBody, "The signature is right, but the body makes no sense: " + detail(err, handlers.ErrUnreadable) + ".",
		"Compare the body with the provider's documentation; the server answers 200 and keeps it as failed."}
}

func contradictory(err error) fault {
	return fault{ContradictoryBody, "The signature is right, but the body says two things at once: " + detail(err, handlers.ErrContradictory) + ".",
		"Ask the provider which counts; the server answers 200 and keeps it as quarantined."}
}

// detail is what an error says after the words of its sentinel.
func detail(err, sentinel error) string {
	if !errors.Is(err, sentinel) {
		return err.Error()
	}
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}

func otherID(header string, values int) fault {
	if values > 1 {
		return fault{OtherID, fmt.Sprintf("The signature is right, but %s comes %d times.", header, values),
			"Have it sent once, or not at all: the body's ID is the one that is signed."}
	}
	return fault{OtherID, fmt.Sprintf("The signature is right, but %s names another event than the body.", header),
		"Send the header and the body of the same delivery; the header is not signed, so a proxy or a test may have mixed them up."}
}
