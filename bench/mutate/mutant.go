package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is a damaged model.
type mutant struct {
	number  int
	base    *base
	path    string
	size    int64 // of its files
	changes []string
	r       *rand.Rand
}

// makeMutant makes mutant i in dir, of links to the files of its base and copies of those
// that are changed.
func makeMutant(bases []base, seed uint64, i int, dir string) *mutant {
	m := &mutant{number: i, r: rand.New(rand.NewPCG(seed, uint64(i)))}
	m.base = &bases[m.r.IntN(len(bases))]
	changes := []int{1, 1, 1, 1, 2, 2, 3}[m.r.IntN(7)]
	if m.base.files == nil {
		m.path = filepath.Join(dir, "model.gguf")
		content, err := os.ReadFile(m.base.path)
		check(err)
		for range changes {
			content = m.bytes("model.gguf", content, ggufHeader(content))
		}
		m.write(m.path, content)
		return m
	}
	m.path = filepath.Join(dir, "model")
	contents := make(map[string][]byte)
	for range changes {
		name := m.pick()
		content, ok := contents[name]
		if !ok {
			var err error
			content, err = os.ReadFile(filepath.Join(m.base.path, name))
			check(err)
		}
		contents[name] = m.change(name, content)
	}
	for _, name := range m.base.files {
		path := filepath.Join(m.path, name)
		check(os.MkdirAll(filepath.Dir(path), 0o700))
		if content, ok := contents[name]; ok {
			m.write(path, content)
			continue
		}
		original, err := filepath.Abs(filepath.Join(m.base.path, name))
		check(err)
		check(os.Symlink(original, path))
		info, err := os.Stat(path)
		check(err)
		m.size += info.Size()
	}
	return m
}

func (m *mutant) write(path string, content []byte) {
	check(os.WriteFile(path, content, 0o600))
	m.size += int64(len(content))
}

// pick is the file that is changed, more often one with many settings.
func (m *mutant) pick() string {
	for {
		name := m.base.files[m.r.IntN(len(m.base.files))]
		if filepath.Ext(name) == ".md" || filepath.Ext(name) == ".json" && strings.HasSuffix(name, "special_tokens_map.json") && m.r.IntN(3) > 0 {
			continue
		}
		return name
	}
}

func (m *mutant) did(name, format string, a ...any) {
	m.changes = append(m.changes, name+": "+fmt.Sprintf(format, a...))
}

// change makes one change of a file of a folder.
func (m *mutant) change(name string, content []byte) []byte {
	switch {
	case filepath.Ext(name) == ".json" && m.r.IntN(6) > 0:
		if changed, ok := m.json(name, content); ok {
			return changed
		}
	case name == "chat_template.jinja":
		m.did(name, "a template made to take long")
		return []byte(m.one(templates))
	case filepath.Ext(name) == ".safetensors" && m.r.IntN(2) == 0:
		if changed, ok := m.safetensors(name, content); ok {
			return changed
		}
	}
	header := len(content)
	if filepath.Ext(name) == ".safetensors" && len(content) > 8 {
		header = 8 + int(min(binary.LittleEndian.Uint64(content), uint64(len(content)-8)))
	}
	return m.bytes(name, content, header)
}

// ggufHeader is about how long the part before the weights is.
func ggufHeader(content []byte) int {
	// The names of tensors come last in it.
	last := bytes.LastIndex(content[:min(len(content), 1<<20)], []byte(".weight"))
	return min(len(content), max(64, last+64))
}

// bytes changes content as bytes, more often in its first part.
func (m *mutant) bytes(name string, content []byte, header int) []byte {
	if len(content) == 0 {
		m.did(name, "some bytes in an empty file")
		return []byte(strings.Repeat("\xff", 1+m.r.IntN(64)))
	}
	content = slices.Clone(content)
	at := m.r.IntN(len(content))
	if m.r.IntN(5) > 0 {
		at = m.r.IntN(min(max(header, 1), len(content)))
	}
	if m.r.IntN(6) == 0 {
		at = m.r.IntN(min(64, len(content)))
	}
	n := min(1<<m.r.IntN(12), len(content)-at)
	switch m.r.IntN(9) {
	case 0:
		flips := 1 + m.r.IntN(8)
		m.did(name, "%d bits flipped from byte %d", flips, at)
		for range flips {
			content[min(at+m.r.IntN(16), len(content)-1)] ^= 1 << m.r.IntN(8)
		}
	case 1:
		m.did(name, "cut at byte %d", at)
		content = content[:at]
	case 2:
		m.did(name, "%d bytes at %d left out", n, at)
		content = slices.Delete(content, at, at+n)
	case 3:
		m.did(name, "%d bytes at %d twice", n, at)
		content = slices.Insert(content, at, content[at:at+n]...)
	case 4:
		to := m.r.IntN(len(content) - n + 1)
		m.did(name, "%d bytes at %d swapped with those at %d", n, at, to)
		for i := range n {
			content[at+i], content[to+i] = content[to+i], content[at+i]
		}
	case 5:
		fill := byte(m.r.IntN(256))
		m.did(name, "%d bytes at %d made %d", n, at, fill)
		for i := range n {
			content[at+i] = fill
		}
	case 6, 7:
		return m.count(name, content, at)
	case 8:
		m.did(name, "a nest of brackets at %d", at)
		content = slices.Insert(content, at, bytes.Repeat([]byte(m.one([]string{"[", "{\"a\":", "(", "\"", "\\"})), 1+m.r.IntN(20000))...)
	}
	return content
}

// count writes a number that may be taken for a count, a length, an offset or a type.
func (m *mutant) count(name string, content []byte, at int) []byte {
	numbers := []uint64{0, 1, 2, 7, 31, 64, 255, 1 << 15, 1<<16 - 1, 1 << 20, 1 << 24, 1 << 28, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 32, 1 << 40, 1 << 53, math.MaxInt64, 1 << 63, math.MaxUint64,
		uint64(len(content)), uint64(len(content)) - 8, uint64(len(content)) + 1}
	v := numbers[m.r.IntN(len(numbers))]
	if m.r.IntN(4) == 0 && at+8 <= len(content) {
		v = binary.LittleEndian.Uint64(content[at:]) + uint64(m.r.IntN(5)-2)
	}
	if m.r.IntN(2) == 0 && at+8 <= len(content) {
		m.did(name, "%d in 8 bytes at %d", v, at)
		binary.LittleEndian.PutUint64(content[at:], v)
	} else if at+4 <= len(content) {
		m.did(name, "%d in 4 bytes at %d", uint32(v), at)
		binary.LittleEndian.PutUint32(content[at:], uint32(v))
	}
	return content
}

// safetensors changes the header as JSON.
func (m *mutant) safetensors(name string, content []byte) ([]byte, bool) {
	if len(content) < 8 {
		return nil, false
	}
	n := binary.LittleEndian.Uint64(content)
	if n > uint64(len(content)-8) {
		return nil, false
	}
	header, ok := m.json(name, content[8:8+n])
	if !ok {
		return nil, false
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), content[8+n:]...), true
}

// json changes a value somewhere in a JSON document; ok is false if it is none.
func (m *mutant) json(name string, content []byte) (changed []byte, ok bool) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	nodes := nodesOf(v)
	if len(nodes) == 0 {
		return nil, false
	}
	// A vocabulary has most of the nodes: half of the time the upper ones count alone.
	if m.r.IntN(2) == 0 {
		nodes = slices.DeleteFunc(nodes, func(n node) bool { return n.depth > 3 || n.key == "" && n.depth > 2 })
		if len(nodes) == 0 {
			return nil, false
		}
	}
	n := nodes[m.r.IntN(len(nodes))]
	m.nodeChange(name, n, nodes)
	changed, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	// What Marshal cannot write stands there as a mark.
	for mark, text := range marks {
		changed = bytes.ReplaceAll(changed, []byte(`"`+mark+`"`), []byte(text()))
	}
	return changed, true
}

// marks are texts that stand for others.
var marks = map[string]func() string{
	"@deep":   func() string { return strings.Repeat("[", 20000) + strings.Repeat("]", 20000) },
	"@deeper": func() string { return strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) },
	"@long":   func() string { return `"` + strings.Repeat("long ", 200000) + `"` },
	"@many":   func() string { return "[" + strings.Repeat("0,", 500000) + "0]" },
	"@nan":    func() string { return "NaN" },
	"@inf":    func() string { return "-Infinity" },
	"@huge":   func() string { return "1e400" },
}

// A node is a value in a document: a member of an object, or an element of a list.
type node struct {
	object map[string]any
	list   []any
	key    string // in an object
	index  int    // in a list
	depth  int
}

func (n *node) get() any {
	if n.object != nil {
		return n.object[n.key]
	}
	return n.list[n.index]
}

func (n *node) set(v any) {
	if n.object != nil {
		n.object[n.key] = v
	} else {
		n.list[n.index] = v
	}
}

// nodesOf are all nodes of a document, in an order that is always the same.
func nodesOf(v any) (nodes []node) {
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		switch v := v.(type) {
		case map[string]any:
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				nodes = append(nodes, node{object: v, key: k, depth: depth})
				walk(v[k], depth+1)
			}
		case []any:
			for i := range v {
				nodes = append(nodes, node{list: v, index: i, depth: depth})
				walk(v[i], depth+1)
			}
		}
	}
	walk(v, 0)
	return nodes
}

// nodeChange changes a node.
func (m *mutant) nodeChange(name string, n node, nodes []node) {
	where := n.key
	if where == "" {
		where = fmt.Sprintf("element %d", n.index)
	}
	old := n.get()
	if text, ok := old.(string); ok && m.r.IntN(3) == 0 {
		switch n.key {
		case "Regex", "pattern", "content", "String":
			bomb := m.one(patterns)
			m.did(name, "%s is the pattern %q", where, bomb)
			n.set(bomb)
			return
		case "chat_template":
			m.did(name, "%s made to take long", where)
			n.set(m.one(templates))
			return
		}
		if m.r.IntN(2) == 0 {
			m.did(name, "%s, a text, 1000 times", where)
			n.set(strings.Repeat(text, min(1000, 1+1_000_000/(1+len(text)))))
			return
		}
	}
	switch m.r.IntN(12) {
	case 0:
		m.did(name, "%s is null", where)
		n.set(nil)
	case 1:
		v := []any{true, false, "", "x", "../../etc/passwd", ".", map[string]any{}, []any{}, []any{[]any{}}, map[string]any{"type": "Sequence"}}[m.r.IntN(10)]
		m.did(name, "%s is %v", where, v)
		n.set(v)
	case 2, 3:
		v := m.one([]string{"-1", "0", "1", "2", "3", "7", "65536", "1000000", "16777216", "268435456", "2147483647", "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808", "1e300", "1e-300", "0.5", "-0.5", "100000000000000000000000"})
		m.did(name, "%s is %s", where, v)
		n.set(json.Number(v))
	case 4:
		mark := m.one([]string{"@deep", "@deeper", "@long", "@many", "@nan", "@inf", "@huge"})
		m.did(name, "%s is %s", where, mark)
		n.set(mark)
	case 5, 6:
		other := nodes[m.r.IntN(len(nodes))]
		m.did(name, "%s is what %s %d is", where, other.key, other.index)
		n.set(clone(other.get()))
	case 7:
		if n.object == nil {
			m.did(name, "%s is null", where)
			n.set(nil)
			return
		}
		m.did(name, "%s is missing", where)
		delete(n.object, n.key)
	case 8:
		if n.object == nil {
			n.set([]any{old, old})
			return
		}
		m.did(name, "%s has another name", where)
		delete(n.object, n.key)
		n.object[n.key+"_"] = old
	case 9:
		list, ok := old.([]any)
		if !ok || len(list) == 0 {
			list = []any{old}
		}
		m.did(name, "%s, a list, again and again", where)
		n.set(slices.Repeat(list, 1+min(1000, 20000/len(list))))
	case 10:
		m.did(name, "%s within itself", where)
		v := old
		for range 1 + m.r.IntN(200) {
			v = map[string]any{"type": "Sequence", "normalizers": []any{v}, "pretokenizers": []any{v}, "processors": []any{v}, "decoders": []any{v}}
			if len(fmt.Sprint(v)) > 1<<16 {
				break
			}
		}
		n.set(v)
	case 11:
		text := m.one([]string{"\x00", "\u202e", "💥", "<s>", "[MASK]", "</s>", "▁", "##", " ", "\n", strings.Repeat("a", 5000)})
		m.did(name, "%s is %q", where, abridge(text, 20))
		n.set(text)
	}
}

// clone is a copy, so that no value is within itself.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, e := range v {
			c[k] = clone(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = clone(e)
		}
		return c
	}
	return v
}

func (m *mutant) one(list []string) string { return list[m.r.IntN(len(list))] }

// patterns are regular expressions that take long, or do not end, where they are tried
// one way after the other.
var patterns = []string{
	`(a+)+$`, `(?:a|a)*$`, `(?:.*)*a`, `(x+x+)+y`, `(a*)*b`, `((a{0,100}){0,100}){0,100}`, `a{1000000}`, `(?:a{65535}){65535}`, `(?=(a+))a*b\1`, `(?<=a{0,1000})b`, `(?!(?:a+)+$).`, `\p{L}*\p{L}*\p{L}*\p{L}*!`,
	strings.Repeat("(", 20000), strings.Repeat("(?:", 3000) + "a" + strings.Repeat(")", 3000), strings.Repeat("a?", 500) + strings.Repeat("a", 500), strings.Repeat("a|", 20000), `[` + strings.Repeat(`\p{L}&&`, 500) + `a]`,
	`\p{Nonsense}`, `[z-a]`, `(?<name>a)\k<name>`, `\x{110000}`, `(?i)` + strings.Repeat("ſ", 1000), "", `^`, `\b`, `(?s).*?(?s).*?(?s).*?(?s).*?x`, `(?:(?:(?:a?)*)*)*b`, `\Ga*\z`,
}

// templates are chat templates that take long, or make long texts.
var templates = []string{
	`{% for a in range(1000000000) %}x{% endfor %}`, `{{ 'a' * 1000000000 }}`, `{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{{ messages }}{% endfor %}{% endfor %}{% endfor %}`,
	`{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}`, `{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}`, strings.Repeat("{% if true %}", 20000), strings.Repeat("{{ (", 5000),
	`{{ ` + strings.Repeat("-", 50000) + `1 }}`, `{{ ` + strings.Repeat("[", 20000) + ` }}`, `{% for m in messages %}{{ m.content | replace('', 'abcdefghij') | replace('', 'abcdefghij') | replace('', 'abcdefghij') | replace('', 'abcdefghij') | replace('', 'abcdefghij') }}{% endfor %}`,
	`{{ messages | map(attribute='content') | join('x' * 100000000) }}`, `{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}`, `{{ "%1000000000d" % 1 }}`, `{{ raise_exception('no') }}`, `{{ messages[0].content[::0] }}`, `{{ range(10) | batch(0) | list }}`, `{{ 1 // 0 }}{{ 1 % 0 }}`, `{{ 'a'.center(1000000000) }}`, `{{ x.y.z }}`,
}
