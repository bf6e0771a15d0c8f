package checkpoint

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

func TestParseObject(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "8", `{"a":1`, `{"a":Nan}`, `{"a":xNaN}`, `{} {}`, "{}x", `{"a":+Infinity}`, `{NaN: 1}x`} {
		if _, err := ParseObject("config.json", []byte(text)); !errors.Is(err, fault.ErrFormat) {
			t.Errorf("%q: %v, want a format error", text, err)
		}
	}
	if _, err := ParseObject("config.json", []byte(" {} \n")); err != nil {
		t.Error(err)
	}
}

// TestLiterals: Python writes numbers that JSON does not have.
func TestLiterals(t *testing.T) {
	o, err := ParseObject("config.json", []byte(`{"nan": NaN, "most":Infinity,"least":[-Infinity, 1], "text": "NaN \"-Infinity\\", "n": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := o.Float("nan"); !ok || !math.IsNaN(v) {
		t.Errorf("nan is %v", v)
	}
	if v, ok := o.Float("most"); !ok || !math.IsInf(v, 1) {
		t.Errorf("most is %v", v)
	}
	if v, ok := o.Floats("least"); !ok || !slices.Equal(v, []float64{math.Inf(-1), 1}) {
		t.Errorf("least is %v", v)
	}
	if v, ok := o.String("text"); !ok || v != `NaN "-Infinity\` {
		t.Errorf("text is %q", v)
	}
	if kind := o.Kind("nan"); kind != "NaN" {
		t.Errorf("nan is described as %s", kind)
	}
}

func TestObject(t *testing.T) {
	o, err := ParseObject("config.json", []byte(`{"eight": 8, "float": 8.0, "half": 8.5, "null": null, "list": [1, 2], "texts": ["a"], "in": {"a": 1, "b": {"c": 2}}, "other": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"eight": 8, "float": 8, "half": -1, "null": -1, "list": -1, "absent": -1} {
		if v, ok := o.Int(name); ok != (want >= 0) || ok && v != want {
			t.Errorf("%s: %d, %v", name, v, ok)
		}
	}
	if !o.Null("null") || o.Null("absent") || o.Null("eight") || o.Has("null") {
		t.Error("null is taken for something else")
	}
	if v, ok := o.Object("in").Object("b").Int("d"); ok {
		t.Errorf("in.b.d is %d", v)
	}
	want := []string{"in.a", "in.b.c", "other", "texts"}
	if got := o.unread(); !slices.Equal(got, want) {
		t.Errorf("unread %q, want %q", got, want)
	}
	var none *Object
	if none.Has("x") || none.Null("x") || none.Object("x") != nil || none.Names() != nil || none.Kind("x") != "nothing" {
		t.Error("no object has something")
	}
}
