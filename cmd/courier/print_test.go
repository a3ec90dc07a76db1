package main

import (
	"encoding/json"
	"testing"
)

// TestEncode shows that JSON means what the text is, and does nothing to a terminal.
func TestEncode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<b> & \n\x1b[31m":          `"<b> & \n\u001b[31m"` + "\n",
		"\u009b31m\u202e\u2069\x7f": `"\u009b31m\u202e\u2069\u007f"` + "\n",
		"tag \U000e0041, 👩‍🚀, שלום": "\"tag \\udb40\\udc41, 👩‍🚀, שלום\"\n",
	} {
		got, err := encode(text, "", "")
		if err != nil || string(got) != want {
			t.Errorf("%q is %s, want %s: %v", text, got, want, err)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%s means %q: %v", got, back, err)
		}
	}
}
