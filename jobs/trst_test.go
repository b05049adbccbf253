package jobs

import "testing"

func TestTRSTReadings(t *testing.T) {
	read(t, map[string]reading{
		"enrolled":                {"trst/enrollment.completed", nil, "biometric passed"},
		"enrolled without member": {"trst/variants/enrollment.completed.global", nil, "biometric passed"},
		"test of the connection":  {"trst/webhook.test", nil, "ignored"},
		"demonstration":           {"trst/demo.scan.success", nil, "ignored"},
	})
}

// Where there is no member, the session stands for the person; a number is an ID like a text.
func TestTRSTPerson(t *testing.T) {
	t.Parallel()
	for member, want := range map[any]string{"mem_1": "mem_1", 204: "204", nil: "ses_1"} {
		f := facts(t, sample(t, "trst/enrollment.completed", "data.member_id", member, "data.session_id", "ses_1"))
		if f.SubjectID != want {
			t.Errorf("member %v: person %q, want %q", member, f.SubjectID, want)
		}
	}
}
