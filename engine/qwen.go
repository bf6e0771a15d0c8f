package engine

// Qwen 2 (Yang et al. 2024): the trunk of decoder.go with biases on queries, keys
// and values.
//
// Qwen 3 (Yang et al. 2025): no biases, but RMS norms of each head of queries and
// keys before they are turned.
func newQwen(headNorms bool) func(*decoder, *file) {
	return func(m *decoder, f *file) {
		m.configure(f)
		if headNorms {
			f.dims["headnorms"] = 1
		}
		m.turn(f.ropeOf("full_attention", keyTheta, 10000, true, m.attention.dim, f.maxLength))
		if f.flag("use_sliding_window", false) && f.settings.has(keyWindow) {
			window, first := f.settings.count(keyWindow, 1, maxPositions), f.settings.countOr(keyMaxWindow, 0, maxLayers, 0)
			f.slides(m.windows, window, func(layer int) bool { return layer < first })
		}
	}
}

var keyMaxWindow = key{"max_window_layers", ""}
