package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestCases renders templates as Jinja2 does (testdata/make_cases.py).
func TestCases(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Template string
		Messages       json.RawMessage
		Generate       bool
		Want           string
		Error          bool
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		messages, err := FromJSON(c.Messages)
		if err != nil {
			t.Fatal(err)
		}
		template, err := Parse(c.Template)
		if err != nil {
			if !c.Error {
				t.Errorf("%s: %v in %s", c.Name, err, c.Template)
			}
			continue
		}
		got, err := template.Render(map[string]any{"messages": messages, "add_generation_prompt": c.Generate, "bos_token": "<s>", "eos_token": "</s>", "tools": nil})
		if (err != nil) != c.Error {
			t.Errorf("%d %s: error %v, Jinja2 has one: %v, of %s", i, c.Name, err, c.Error, c.Template)
		}
		if err == nil && got != c.Want {
			t.Errorf("%d %s:\n%q, want\n%q of %s", i, c.Name, got, c.Want, c.Template)
		}
	}
	if len(cases) < 100 {
		t.Errorf("%d cases", len(cases))
	}
}

func TestRefuses(t *testing.T) {
	for source, want := range map[string]string{
		"{{ loop.cycle('a', 'b') }}":      `unknown method "cycle"`,
		"{% raw %}{{ x }}{% endraw %}":    `unknown statement "raw"`,
		"{{ 1e3 }}":                       `unexpected "e3"`,
		"{% macro f() %}{% endmacro %}":   `unknown statement "macro"`,
		"{% include 'x' %}":               `unknown statement "include"`,
		"{{ x | frobnicate }}":            `unknown filter "frobnicate"`,
		"{{ x.__class__() }}":             `unknown method "__class__"`,
		"{{ open('x') }}":                 `unknown function "open"`,
		"{{ x is divine }}":               `unknown test "divine"`,
		"a\n{{ x":                         "line 2: {{ without }}",
		"{% if x %}":                      "if without endif",
		"{% for x in y %}{% endif %}":     "for without endfor",
		"{% endif %}":                     "endif without its beginning",
		"{{ 'abc }}":                      "{{ without }}",
		"{{ 1 + }}":                       `unexpected ""`,
		"{{ x[] }}":                       "an empty subscript",
		"{{ 99999999999999999999999 }}":   "too large",
		strings.Repeat("{% if x %}", 500): "nested deeper",
		"{{ " + strings.Repeat("(", 5000): "{{ without }}",
		"{{ " + strings.Repeat("(", 5000) + strings.Repeat(")", 5000) + " }}": "nested deeper",
	} {
		_, err := Parse(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want one that says %q", source, err, want)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	for source, want := range map[string]string{
		"{{ raise_exception('no system') }}": "no system",
		"{{ nothing.attribute }}":            "attribute of something that is not defined",
		"{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}": "steps",
		"{{ range(99999999) }}":             "more than",
		"{% for i in 5 %}{% endfor %}":      "a number is not a list",
		"{{ 'a' + 1 }}":                     "a text + a number",
		"{{ 1 // 0 }}":                      "//",
		"{{ [1][::0] }}":                    "step 0",
		"{% set x = {} %}{% set x.y = 1 %}": "not a namespace",
		"{% break %}":                       "outside of a loop",
		"{{ 'a' * 2 }}":                     "a text * a number",
		"{% set n = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}":             "a text of more than",
		"{% set n = namespace(x=[1, 2]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}":                 "a list of more than",
		"{% set n = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set n.x = n.x.replace('a', n.x) %}{% endfor %}": "a text of more than",
	} {
		template, err := Parse(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if _, err := template.Render(map[string]any{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one that says %q", source, err, want)
		}
	}
}

// FuzzRender: whatever a template holds, it is refused or ends.
func FuzzRender(f *testing.F) {
	f.Add("{% for m in messages %}{{ m.role | upper }}{% endfor %}")
	f.Add("{{ messages[0]['content'][::-1] ~ range(3) }}")
	f.Fuzz(func(t *testing.T, source string) {
		template, err := Parse(source)
		if err != nil {
			return
		}
		message := NewDict("role", "user", "content", "text")
		out, err := template.Render(map[string]any{"messages": []any{message}})
		if err == nil && len(out) > maxOutput {
			t.Errorf("%d bytes", len(out))
		}
	})
}

// TestKinds: what Python takes for a number or for something to go through, and what it
// makes whole numbers of.
func TestKinds(t *testing.T) {
	for source, want := range map[string]string{
		"{{ true | int }} {{ false | int(3) }} {{ '3.7' | int }} {{ ' 4 ' | int }} {{ 'x' | int(5) }} {{ none | int }}": "1 0 3 4 5 0",
		"{{ true is number }} {{ true is integer }} {{ 1 is boolean }}":                                                 "True False False",
		"{{ nothing is iterable }} {{ nothing is sequence }} {{ nothing is mapping }}":                                  "True True False",
	} {
		template, err := Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := template.Render(map[string]any{}); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", source, got, err, want)
		}
	}
}
