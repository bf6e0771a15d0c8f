package checkpoint

import "fmt"

// The kinds of layers in config.json.
var (
	keyLayerTypes   = Key{HF: "layer_types"}
	keyLayerPattern = Key{GGUF: ".attention.sliding_window_pattern"}
)

// LayerTypes reports for each of n layers whether it has full attention, as opposed to
// a window. A list in the file takes precedence over everyGlobal.
func (f *File) LayerTypes(n int, everyGlobal func(layer int) bool) []bool {
	global := make([]bool, n)
	for i := range global {
		global[i] = everyGlobal(i)
	}
	if f.IsGGUF() {
		local, ok := f.values.Ints(f.name(keyLayerPattern))
		if ok && len(local) != n {
			f.Fail(keyLayerPattern, fmt.Sprintf("%d layers", len(local)), fmt.Sprintf("%d, as many as there are", n))
			return global
		}
		for i, l := range local {
			global[i] = l == 0
		}
		return global
	}
	if !f.Has(keyLayerTypes) {
		return global
	}
	kinds, ok := f.Config.Strings(keyLayerTypes.HF)
	if !ok || len(kinds) != n {
		f.Fail(keyLayerTypes, f.Describe(keyLayerTypes), fmt.Sprintf("a list of %d kinds of layers", n))
		return global
	}
	for i, kind := range kinds {
		if kind != "full_attention" && kind != "sliding_attention" {
			f.Unsupported(fmt.Sprintf("layers of %q", Abridge(kind)), "winnow supports full_attention and sliding_attention")
			break
		}
		global[i] = kind == "full_attention"
	}
	return global
}

// Pattern is a number that determines the layers with full attention, or fallback if
// the file has none, or has a list for LayerTypes instead.
func (f *File) Pattern(k Key, fallback int) int {
	if f.IsGGUF() {
		if _, ok := f.values.Ints(f.name(k)); ok {
			return fallback
		}
	}
	return f.Int(k, 1, MaxLayers, fallback)
}

// LayerTypes writes which layers have full attention: every, if the architecture's rule
// yields the same layers, or otherwise a list of the layers with a window.
func (e *Export) LayerTypes(global []bool, every int, rule func(layer, every int) bool) {
	local := make([]bool, len(global))
	same := true
	for i, g := range global {
		local[i] = !g
		same = same && g == rule(i, every)
	}
	if same {
		e.Set(keyLayerPattern.GGUF, uint32(every))
	} else {
		e.Set(keyLayerPattern.GGUF, local)
	}
}
