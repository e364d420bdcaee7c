package display

import "testing"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\tc é 日本":        "a\nb\tc é 日本",
		"\x1b[31mred":         "�[31mred",
		"pay \u202egnp\u2069": "pay �gnp�",
		"\xff\xfe\x07\u0085":  "���",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
