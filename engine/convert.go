package engine

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A Conversion is what Convert has written.
type Conversion struct {
	Tensors  int
	Bytes    int64          // of the file
	Types    map[string]int // how many tensors are of each type
	Fallback int            // tensors whose rows do not fit the blocks of the type asked for
}

// Convert writes the model at path in as the GGUF file out, with its matrices in
// type t: F32, F16, BF16 or one of the block types that quant.Quantize writes.
// Norms, biases, position tables, convolutions, heads and modules stay F32. progress, if
// it is not nil, is told how many of the tensors have been written.
//
// A GGUF file keeps its metadata and the types of what is not a matrix.
func Convert(in, out string, t quant.Type, progress func(done, of int)) (Conversion, error) {
	if _, ok := fileTypes[t]; !ok {
		return Conversion{}, fmt.Errorf("type %v: expected one of %s", t, strings.Join(ConvertTypes(), ", "))
	}
	f, err := openFile(in)
	if err != nil {
		return Conversion{}, err
	}
	defer func() { f.source.Close() }() // modules may have been joined to it by then
	c := &converter{file: f, to: t, result: Conversion{Types: make(map[string]int)}}
	if f.gguf {
		err = c.retype()
	} else {
		err = c.fromSafetensors(in)
	}
	if err != nil {
		return Conversion{}, err
	}
	if err := c.check(); err != nil {
		return Conversion{}, err
	}
	if progress != nil {
		for i := range c.tensors {
			write := c.tensors[i].Data
			c.tensors[i].Data = func(w io.Writer) error {
				err := write(w)
				progress(i+1, len(c.tensors))
				return err
			}
		}
	}
	if err := gguf.WriteFile(out, c.metadata, c.tensors); err != nil {
		return Conversion{}, err
	}
	c.result.Tensors = len(c.tensors)
	info, err := os.Stat(out)
	if err != nil {
		return Conversion{}, err
	}
	c.result.Bytes = info.Size()
	return c.result, nil
}

// fileTypes are llama.cpp's numbers of what a file's matrices are mostly of.
var fileTypes = map[quant.Type]uint32{
	quant.F32: 0, quant.F16: 1, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q8_0: 7, quant.Q5_0: 8, quant.Q5_1: 9,
	quant.Q4_K: 14, quant.Q5_K: 16, quant.Q6_K: 18, quant.BF16: 32,
}

// ConvertTypes are the names of the types that Convert writes.
func ConvertTypes() []string {
	var names []string
	for _, t := range slices.Sorted(maps.Keys(fileTypes)) {
		names = append(names, strings.ToLower(t.String()))
	}
	return names
}

// A converter gathers what a GGUF file is to hold.
type converter struct {
	file     *file
	to       quant.Type
	metadata []gguf.KV
	tensors  []gguf.Source
	cut      map[string]int  // rows to leave out at the beginning of a tensor, by GGUF name
	own      map[string]bool // tensors that are made otherwise than of the file's of the same place
	gain     float32         // to be added to the weights of norms
	edits    []edit
	result   Conversion
	err      error
}

// An edit changes the tensors whose names end in a certain way.
type edit struct {
	name  string  // "attn_q.weight" is that of every layer
	scale float32 // 0: as it is
	heads int     // whose rows are to be woven, as llama.cpp has those of Llama; or 0
}

func (c *converter) set(key string, value any) {
	c.metadata = append(c.metadata, gguf.KV{Key: key, Value: value})
}

// check finds what would be lost or there twice.
func (c *converter) check() error {
	if c.err != nil {
		return c.err
	}
	seen := make(map[string]bool)
	for _, t := range c.tensors {
		if seen[t.Name] {
			return fmt.Errorf("%s: two tensors would be named %s", c.file.loader.path, t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

// retype is for a GGUF file: matrices change their type, all else stays.
func (c *converter) retype() error {
	for _, kv := range c.file.metadata.Metadata() {
		switch {
		case kv.Key == "general.file_type":
			kv.Value = fileTypes[c.to]
		case kv.Key == "general.alignment", strings.HasPrefix(kv.Key, "split."):
			continue
		}
		c.metadata = append(c.metadata, kv)
	}
	for _, name := range c.file.source.Names() {
		t, _ := c.file.source.Tensor(name)
		to := t.Type
		if len(t.Shape) == 2 && strings.HasSuffix(name, ".weight") && !exactName(strings.TrimSuffix(name, ".weight")) {
			to = c.fit(c.to, t.Shape[1])
		}
		c.write(name, to, t.Shape, []rowRange{{Tensor: t, to: rowsOf(t.Shape), scale: 1}})
	}
	return nil
}

// exactName says whether a matrix keeps its type.
func exactName(name string) bool {
	switch name {
	case "position_embd", "token_types", "token_embd_proj", "cls", "cls.output", "rel_embd":
		return true
	}
	return strings.Contains(name, "norm") || strings.HasPrefix(name, "dense_") || strings.HasPrefix(name, "projector.")
}

// decoderArchitectures are GGUF's names of the families of decoders.
var decoderArchitectures = map[string]string{
	"Qwen 2": "qwen2", "Qwen 3": "qwen3", "Gemma": "gemma", "Gemma 2": "gemma2", "Gemma 3": "gemma3", "Llama": "llama", "Mistral": "llama",
}

// architecture is GGUF's name of the family.
func (c *converter) architecture(n network, family string) string {
	switch n := n.(type) {
	case *bertEmbedder:
		if n.Project != nil {
			return "electra"
		}
		return "bert"
	case *bert, *xlmr:
		return "bert"
	case *distilBERT:
		return "distilbert"
	case *electra:
		return "electra"
	case *jinaBERT:
		return "jina-bert-v2"
	case *modernBERT, *modernEmbedder:
		return "modern-bert"
	case *deberta:
		return "deberta-v2"
	case *reranker:
		return decoderArchitectures[family]
	}
	return ""
}

// fromSafetensors is for a directory in Hugging Face layout.
func (c *converter) fromSafetensors(dir string) error {
	f := c.file
	f.settings.read = make(map[string]any)
	f.ignore = ignorable
	fam, err := f.family()
	if err != nil {
		return err
	}
	n, err := fam.build(f)
	if err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	arch := c.architecture(n, fam.name)
	if arch == "" {
		return f.refuse("a conversion of "+f.architecture, "")
	}
	words, err := f.tokenizer()
	if err != nil {
		return err
	}
	c.set("general.architecture", arch)
	c.set("general.type", "model")
	c.set("general.name", f.name)
	c.set("general.file_type", fileTypes[c.to])
	c.set("general.quantization_version", uint32(2))
	c.own = make(map[string]bool)
	m := &Model{path: dir, network: n, tokenizer: words, maxLength: f.maxLength}
	if limit := words.MaxLength(); limit > 0 {
		m.maxLength = min(m.maxLength, limit)
	}
	if err := c.adapt(m, arch); err != nil {
		return err
	}
	if positions, ok := f.settings.read[keyPositions.gguf].(uint32); ok && uint32(m.maxLength) < positions {
		f.settings.read[keySequence.gguf] = uint32(m.maxLength)
	}
	for _, k := range slices.Sorted(maps.Keys(f.settings.read)) {
		c.set(arch+k, f.settings.read[k])
	}
	if err := c.vocabulary(m); err != nil {
		return err
	}
	if _, ok := n.(*reranker); ok {
		c.ends(m)
	}
	c.walk(reflect.ValueOf(n).Elem(), "", "")
	return nil
}

// vocabulary adds the tokenizer.
func (c *converter) vocabulary(m *Model) error {
	f := c.file
	types := 0
	if t, ok := f.find("embeddings.token_type_embeddings.weight"); ok && len(t.Shape) == 2 {
		types = t.Shape[0]
	}
	switch m.network.(type) {
	case *modernBERT, *modernEmbedder, *reranker:
		types = 0
	case *bertEmbedder:
		types = max(types, 1) // llama.cpp wants a number where there are none, too
	}
	fields, exact, err := m.tokenizer.GGUF(types, f.dims["vocab"])
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	for _, field := range fields {
		c.set(field.Key, field.Value)
	}
	if !exact {
		whole, err := os.ReadFile(filepath.Join(filepath.Dir(f.settings.path), "tokenizer.json"))
		if err != nil {
			return fmt.Errorf("GGUF metadata cannot express this tokenizer and there is no tokenizer.json to put in: %w", err)
		}
		c.set(tokenizer.HuggingFaceKey, string(whole))
	}
	return nil
}

// poolingNumber is llama.cpp's of a pooling.
func poolingNumber(p pooling) uint32 {
	for n, q := range ggufPoolings {
		if p == q {
			return uint32(n)
		}
	}
	return poolingNone
}

// adapt makes the settings those of GGUF where the two formats differ.
func (c *converter) adapt(m *Model, arch string) error {
	f := c.file
	read := f.settings.read
	f.settings.text(keyProblem, "")
	if n, ok := m.network.(*reranker); ok {
		return c.causal(n, m, arch)
	}
	read[".attention.causal"] = false
	switch n := m.network.(type) {
	case *xlmr:
		c.cutPlaces(&n.bertTrunk)
	case *modernBERT:
		read[keyHeadPooling.gguf] = poolingNumber(poolFirst)
		if n.mean {
			read[keyHeadPooling.gguf] = poolingNumber(poolMean)
		}
		if name := activationName(n.denseActivation); name != "gelu" {
			read[keyHeadActivation.gguf] = name
		}
		if err := c.foldNorm(n); err != nil {
			return err
		}
		if err := c.bands(&n.modernTrunk, arch); err != nil {
			return err
		}
	case *deberta:
		read[keyTerms.gguf] = f.terms(keyTerms)
	case *bertEmbedder:
		c.cutPlaces(&n.bertTrunk)
	case *modernEmbedder:
		if err := c.bands(&n.modernTrunk, arch); err != nil {
			return err
		}
	}
	if n, ok := m.network.(embedder); ok {
		return c.chain(n, m)
	}
	read[keyOutputLabels.gguf] = f.labels
	return nil
}

// cutPlaces leaves the positions up to the padding id's out.
func (c *converter) cutPlaces(m *bertTrunk) {
	if m.positions.skip {
		c.cut = map[string]int{"position_embd.weight": int(m.positions.first)}
		c.file.settings.read[keyPositions.gguf] = uint32(c.file.dims["positions"] - int(m.positions.first))
	}
}

// bands says what each layer of ModernBERT sees and how it turns.
func (c *converter) bands(m *modernTrunk, arch string) error {
	windows := make([]int, len(m.sights))
	for i, s := range m.sights {
		windows[i] = s.window
	}
	if _, ok := c.file.settings.read[keyBand.gguf]; !ok {
		const usual = 128
		c.file.settings.read[keyBand.gguf] = uint32(usual)
	}
	c.pattern(windows, 3, func(i, every int) bool { return i%every == 0 })
	return c.turns(m.ropes, windows, arch)
}

// pattern writes which layers see everything: every nth, as the rule says,
// or a list of those that see a window only. usual is what llama.cpp takes where
// nothing is written.
func (c *converter) pattern(windows []int, usual int, rule func(layer, every int) bool) {
	read := c.file.settings.read
	every, ok := read[keyPattern.gguf].(uint32)
	if !ok {
		every = uint32(usual)
	}
	read[keyPattern.gguf] = every
	local := make([]bool, len(windows))
	same := true
	for i, w := range windows {
		local[i] = w > 0
		same = same && local[i] != rule(i, int(every))
	}
	if !same {
		read[keyPattern.gguf] = local
	}
}

// turns writes how the layers' heads are turned by position.
func (c *converter) turns(ropes []*rope, windows []int, arch string) error {
	read := c.file.settings.read
	global, local := ropes[0], ropes[0]
	for i, r := range ropes {
		if windows[i] > 0 {
			local = r
		} else {
			global = r
		}
	}
	s := &global.made
	read[keyTheta.gguf] = float32(s.theta)
	if local != global || arch == "modern-bert" {
		if local.made.kind != "" {
			return c.file.refuse("a conversion of stretched positions in layers that see a window", "")
		}
		read[keyLocalBase.gguf] = float32(local.made.theta)
	}
	switch s.kind {
	case "yarn":
		if usual := 0.1*math.Log(s.factor) + 1; s.attention != 0 && math.Abs(s.attention-usual) > 1e-6 || !s.truncate {
			return c.file.refuse("a conversion of YaRN with an attention_factor of its own or without truncate", "")
		}
		read[".rope.scaling.original_context_length"] = uint32(s.original)
		read[".rope.scaling.yarn_beta_fast"], read[".rope.scaling.yarn_beta_slow"] = float32(s.fast), float32(s.slow)
		fallthrough
	case "linear":
		read[keyRopeScaling.gguf] = s.kind
		read[".rope.scaling.factor"] = float32(s.factor)
	case "llama3":
		divisors := make([]float32, len(global.frequencies))
		for i, plain := range newRope(2*len(divisors), s.theta).frequencies {
			divisors[i] = float32(plain / global.frequencies[i])
		}
		c.floats("rope_freqs.weight", []int{len(divisors)}, divisors)
	}
	return nil
}

// activationName is what config.json calls an activation.
func activationName(a kernels.Activation) string {
	for _, name := range slices.Sorted(maps.Keys(activations)) {
		if activations[name] == a {
			return name
		}
	}
	return ""
}

// walk adds the tensors of a family's struct, by its tags. st and stem are what
// the names in each format begin with.
func (c *converter) walk(v reflect.Value, st, stem string) {
	l := &c.file.loader
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		if each := tag.Get("each"); each != "" {
			spelling := l.chooseStem(tag.Get("st"))
			first, _, _ := strings.Cut(tag.Get("gguf"), ",")
			for j := range f.Len() {
				n := strconv.Itoa(j)
				c.walk(f.Index(j), st+strings.Replace(spelling, "%d", n, 1), stem+strings.Replace(first, "%d", n, 1))
			}
			continue
		}
		if f.Kind() == reflect.Struct && v.Type().Field(i).Anonymous {
			c.walk(f, st, stem)
			continue
		}
		if tag.Get("st") == "" || f.Kind() == reflect.Pointer && f.IsNil() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		names, _ := l.choose(tag.Get("st"), st)
		var alternatives [][]string
		for spelling := range strings.SplitSeq(tag.Get("gguf"), ",") {
			alternatives = append(alternatives, qualified(spelling, stem))
		}
		weights, add := c.to, float32(0)
		switch f.Addr().Interface().(type) {
		case *Linear:
			if tag.Get("keep") == "exact" {
				weights = quant.F32
			}
		case *Table:
			if exactName(alternatives[0][0]) {
				weights = quant.F32
			}
		case *Norm:
			weights, add = quant.F32, c.gain
		}
		c.field(names, alternatives, []string{".weight", ".gamma"}, ".weight", weights, add)
		c.field(names, alternatives, []string{".bias", ".beta"}, ".bias", quant.F32, 0)
	}
}

// field adds the tensors of a field's weights or biases: one for one where the
// formats have as many, else in even parts or end to end.
func (c *converter) field(names []string, alternatives [][]string, endings []string, ending string, t quant.Type, add float32) {
	var parts []quant.Tensor
	for _, name := range names {
		for _, e := range endings {
			if part, ok := c.file.find(name + e); ok {
				parts = append(parts, part)
				break
			}
		}
	}
	if len(parts) != len(names) {
		return // it has none
	}
	targets := alternatives[0]
	for _, a := range alternatives {
		if len(a) == len(parts) {
			targets = a
			break
		}
	}
	all := 0
	for _, p := range parts {
		all += rowsOf(p.Shape)
	}
	each := all / len(targets)
	for i, target := range targets {
		if !c.own[target+ending] {
			c.rows(target+ending, t, parts, i*each, (i+1)*each, add)
		}
	}
}

func rowsOf(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[0]
}

// A rowRange is rows of a tensor: of numbers, for a vector.
type rowRange struct {
	quant.Tensor
	from, to   int
	scale, add float32 // of each number x: scale·(x + add)
	order      []int   // of all rows, where they are to be woven
}

// plain says whether the numbers stay as they are.
func (r *rowRange) plain() bool { return r.scale == 1 && r.add == 0 }

// rows adds rows from to to-1 of the parts put end to end, edited; add is for each
// number.
func (c *converter) rows(name string, t quant.Type, parts []quant.Tensor, from, to int, add float32) {
	scale, heads := float32(1), 0
	for _, e := range c.edits {
		if !strings.HasSuffix(name, e.name) {
			continue
		}
		if e.scale != 0 {
			scale *= e.scale
		}
		heads = max(heads, e.heads)
	}
	from += c.cut[name]
	var ranges []rowRange
	at := 0
	for _, p := range parts {
		n := rowsOf(p.Shape)
		if a, b := max(from-at, 0), min(to-at, n); a < b {
			ranges = append(ranges, rowRange{Tensor: p, from: a, to: b, scale: scale, add: add})
		}
		at += n
	}
	if len(ranges) == 0 {
		c.err = fmt.Errorf("%s: nothing is left of %s", c.file.loader.path, name)
		return
	}
	shape := slices.Clone(parts[0].Shape)
	if len(shape) == 0 {
		shape = []int{1}
	}
	shape[0] = to - from
	if heads > 0 {
		c.weave(ranges, heads)
	}
	if len(shape) != 2 {
		t = quant.F32
	} else {
		t = c.fit(t, shape[1])
	}
	c.write(name, t, shape, ranges)
}

// floats adds a tensor of numbers that are no rows of the file's.
func (c *converter) floats(name string, shape []int, x []float32) {
	c.own[name] = true
	c.result.Types[quant.F32.String()]++
	c.tensors = append(c.tensors, gguf.Source{Name: name, Type: quant.F32, Shape: shape, Data: func(w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, x)
	}})
}

// numbers are those of a tensor of the file.
func (c *converter) numbers(t quant.Tensor) []float32 {
	x := make([]float32, t.Len())
	if err := dequantize(x, t, t.Data); err != nil && c.err == nil {
		c.err = err
	}
	return x
}

// fit is the type itself, or the next one whose blocks a row of n numbers fills.
func (c *converter) fit(t quant.Type, n int) quant.Type {
	if n%t.BlockSize() == 0 {
		return t
	}
	c.result.Fallback++
	small := map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0}
	if s, ok := small[t]; ok && n%s.BlockSize() == 0 {
		return s
	}
	return quant.F16
}

func (c *converter) write(name string, t quant.Type, shape []int, ranges []rowRange) {
	c.result.Types[t.String()]++
	same := len(ranges) > 0
	for _, r := range ranges {
		same = same && r.Type == t && r.plain()
	}
	c.tensors = append(c.tensors, gguf.Source{Name: name, Type: t, Shape: shape, Data: func(w io.Writer) error {
		for _, r := range ranges {
			width := r.Len() / rowsOf(r.Shape)
			bytes := r.Type.Bytes(width)
			if r.order != nil {
				r.Tensor = reorder(r.Tensor, width, r.order)
			}
			data := r.Data[r.from*bytes : r.to*bytes]
			if same {
				if _, err := w.Write(data); err != nil {
					return err
				}
				continue
			}
			if err := requantize(w, t, r, width, data); err != nil {
				return fmt.Errorf("tensor %s: %w", name, err)
			}
			c.file.source.Release(r.Name)
		}
		return nil
	}})
}

// requantize writes rows of width numbers in type t. Groups of rows are done at
// a time, each by a goroutine of its own.
func requantize(w io.Writer, t quant.Type, r rowRange, width int, data []byte) error {
	const numbers = 1 << 18 // of a group
	rows, in := r.to-r.from, r.Type.Bytes(width)
	if len(r.Shape) == 1 { // a vector is one row
		rows, width, in = 1, rows*width, len(data)
	}
	step, err := stepOf(t, r, data)
	if err != nil {
		return err
	}
	group := max(1, numbers/max(1, width))
	type piece struct {
		out []byte
		err error
	}
	workers := runtime.GOMAXPROCS(0)
	for from := 0; from < rows; from += group * workers {
		pieces := make([]piece, workers)
		var wg sync.WaitGroup
		for k := range pieces {
			a := from + k*group
			b := min(a+group, rows)
			if a >= b {
				break
			}
			wg.Go(func() {
				p := &pieces[k]
				x := make([]float32, width)
				p.out = make([]byte, (b-a)*t.Bytes(width))
				for i := a; i < b && p.err == nil; i++ {
					dst := p.out[(i-a)*t.Bytes(width):][:t.Bytes(width)]
					if p.err = quant.Dequantize(x, r.Type, data[i*in:(i+1)*in]); p.err != nil {
						return
					}
					if !r.plain() {
						for j := range x {
							x[j] = (x[j] + r.add) * r.scale
						}
					}
					if j := notFinite(x); j >= 0 {
						p.err = fmt.Errorf("%v in row %d, column %d: expected finite numbers", x[j], r.from+i, j)
						return
					}
					p.err = quantizeRow(dst, t, x, step)
				}
			})
		}
		wg.Wait()
		for _, p := range pieces {
			if p.err != nil {
				return p.err
			}
			if _, err := w.Write(p.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// stepOf is the number that all of a tensor that is to become Q8_0 are multiples
// of, because they were 8-bit numbers with one scale before; 0 if there is none.
func stepOf(t quant.Type, r rowRange, data []byte) (float32, error) {
	if t != quant.Q8_0 || r.Type.BlockSize() != 1 || !r.plain() {
		return 0, nil
	}
	x := make([]float32, len(data)/r.Type.BlockBytes())
	if err := quant.Dequantize(x, r.Type, data); err != nil {
		return 0, err
	}
	levels, even := kernels.Levels(x)
	if !even {
		return 0, nil
	}
	return math.Float32frombits(largest(x)) / levels, nil
}

// quantizeRow writes a row in type t. Weights that were 8-bit numbers with one
// scale, for the tensor or for the row, become those numbers again, so that
// nothing is lost; blocks of scales of their own would round them once more.
func quantizeRow(dst []byte, t quant.Type, x []float32, step float32) error {
	if t == quant.Q8_0 {
		if step == 0 {
			if levels, even := kernels.Levels(x); even {
				step = math.Float32frombits(largest(x)) / levels
			}
		}
		if step > 0 {
			const block = 32
			scale := quant.HalfBits(step)
			for b := 0; b < len(x); b += block {
				out := dst[b/block*t.BlockBytes():]
				binary.LittleEndian.PutUint16(out, scale)
				for j, v := range x[b : b+block] {
					out[2+j] = byte(int8(min(max(math.RoundToEven(float64(v/step)), -127), 127)))
				}
			}
			return nil
		}
	}
	return quant.Quantize(dst, t, x)
}
