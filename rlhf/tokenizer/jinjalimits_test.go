package tokenizer_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf/tokenizer"
)

// hostile are templates that end the interpreter's process, or fill the memory, or
// never end, where nothing keeps them from it; behind each a part of the error.
var hostile = map[string][2]string{
	"macro":        {`{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}`, "macros in one another"},
	"two macros":   {`{% macro g(x) %}{{ f(x) }}{% endmacro %}{% macro f(x) %}{{ g(x) }}{% endmacro %}{{ f(1) }}`, "macros in one another"},
	"recursive":    {`{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}`, "recursive"},
	"parentheses":  {"{{ " + strings.Repeat("(", 60_000), "brackets in one another"},
	"lists":        {"{{ " + strings.Repeat("[", 60_000), "brackets in one another"},
	"attributes":   {"{{ messages" + strings.Repeat(".a", 30_000) + " }}", "parts"},
	"blocks":       {strings.Repeat("{% if 1 %}", 6_000), "blocks in one another"},
	"sets":         {strings.Repeat("{% set x %}", 5_000), "blocks in one another"},
	"large":        {strings.Repeat("{{ messages }}", 1<<17), "want at most"},
	"loops":        {strings.Repeat("{% for a in messages %}", 40) + "x" + strings.Repeat("{% endfor %}", 40), "rounds of loops"},
	"itself":       {`{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}`, "nested deeper"},
	"appended":     {`{% set l = [1] %}{{ l.append(l) }}{{ l }}`, "append"},
	"doubled":      {`{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`, "too large"},
	"doubled list": {`{% set ns = namespace(x=[1, 2]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}`, "nested deeper|too large"},
	"added list":   {`{% set ns = namespace(x=[1, 2]) %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x|tojson }}`, "too large"},
	"loop values":  {strings.Repeat("{% for x in [(x or 'aaaaaaaa') ~ (x or 'a')] %}", 40) + strings.Repeat("{% endfor %}", 40), "too large"},
	"arguments":    {`{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('aaaaaaaa') }}`, "too large|macros in one another"},
	"repeated":     {`{{ ('a' * 3000000000)|length }}`, "operator * "},
	"power":        {`{{ 10 ** 1000000000 }}`, "operator ** "},
	"center":       {`{{ 'a'|center(3000000000) }}`, "center"},
	"indent":       {`{{ 'a'|indent(3000000000) }}`, "at most 16"},
	"methods":      {`{{ 'a'` + strings.Repeat(`.lower()`, 60) + ` }}`, "calls"},
	"tojson":       {`{{ messages|tojson(indent=3000000000) }}`, "at most 16"},
	"macro's text": {`{% macro f() %}{% for i in range(9999) %}` + strings.Repeat("{{ '"+strings.Repeat("a", 1000)+"' }}", 20) + `{% endfor %}{% endmacro %}{{ f() }}`, "writes more than"},
	"set's text":   {`{% set x %}{% for i in range(9999) %}` + strings.Repeat("{{ '"+strings.Repeat("a", 1000)+"' }}", 20) + `{% endfor %}{% endset %}{{ x }}`, "writes more than"},
	"lipsum":       {`{{ lipsum(n=100000000) }}`, "lipsum"},
	"replaced":     {`{{ 'a'` + strings.Repeat(`|replace('a', 'aaaaaaaaaaaaaaaa')`, 12) + ` }}`, "too large"},
	"replaced too": {`{{ 'a'` + strings.Repeat(`.replace('a', 'aaaaaaaaaaaaaaaa')`, 10) + ` }}`, "too much text"},
}

// A template may use what Python's strings have.
func TestReplace(t *testing.T) {
	for _, source := range []string{"{{ messages[0].content.replace('Q', 'QR') }}", "{{ messages[0].content.replace('Q', 'QR', 1) }}"} {
		if _, err := tokenizer.ParseTemplate(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

const hostileEnv = "RLHF_TEST_HOSTILE_TEMPLATE"

// TestHostile compiles and renders each in a process of its own, because what
// it is about cannot be recovered from.
func TestHostile(t *testing.T) {
	if name := os.Getenv(hostileEnv); name != "" {
		began := time.Now()
		_, err := tokenizer.ParseTemplate(hostile[name][0])
		for _, want := range strings.Split(hostile[name][1], "|") {
			if err != nil && strings.Contains(err.Error(), want) {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if m.Sys > 512<<20 {
					t.Errorf("%s: %d MB of memory", name, m.Sys>>20)
				}
				return
			}
		}
		t.Errorf("%s, after %v: error %.300v … %v, want %q", name, time.Since(began), err, last(err), hostile[name][1])
		return
	}
	for name := range hostile {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostile$")
		cmd.Env = append(os.Environ(), hostileEnv+"="+name, "GOMEMLIMIT=1GiB")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.600s", name, err, out)
		}
	}
}

// last is the end of an error's text.
func last(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	return s[max(0, len(s)-300):]
}
