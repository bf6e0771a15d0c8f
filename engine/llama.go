package engine

import "github.com/winnow-rerank/winnow/quant"

// Llama (Touvron et al. 2023; Grattafiori et al. 2024): the trunk of decoder.go
// without head norms and post norms.
func newLlama(m *decoder, f *file) {
	m.configure(f)
	m.turn(f.ropeOf("full_attention", keyTheta, 10000, true, m.attention.dim, f.maxLength))
}

// Mistral (Jiang et al. 2023): Llama, each layer of which sees a window if the
// configuration has one. ctxl-rerank-v2's largest is one without. In GGUF it is
// called llama.
func newMistral(m *decoder, f *file) {
	newLlama(m, f)
	if f.settings.has(keyWindow) {
		f.slides(m.windows, f.settings.count(keyWindow, 1, maxPositions), func(int) bool { return false })
	}
}

// unweave puts the rows of queries and keys in order. llama.cpp's converter
// weaves the two halves of each head of Llama, row 2i the i-th of the first half and 2i+1 that
// of the second, since its rotation turns neighbours.
func (m *decoder) unweave(f *file) {
	woven := make(map[*Linear]int)
	for i := range m.Layers {
		woven[&m.Layers[i].Q] = m.attention.heads
		woven[&m.Layers[i].K] = m.attention.shared
	}
	for i := range f.work {
		w := &f.work[i]
		heads, ok := woven[w.dst]
		if !ok {
			continue
		}
		order := unwoven(w.out, heads)
		for j := range w.parts {
			w.parts[j] = reorder(w.parts[j], w.in, order)
		}
		if b := w.dst.Bias; b != nil {
			sorted := make([]float32, len(b))
			for j, row := range order {
				sorted[j] = b[row]
			}
			w.dst.Bias = sorted
		}
	}
}

// unwoven is where each row of heads stands in a woven matrix.
func unwoven(rows, heads int) []int {
	order := make([]int, rows)
	dim := rows / heads
	for i := range order {
		head, within := i/dim, i%dim
		order[i] = head*dim + within%(dim/2)*2 + within/(dim/2)
	}
	return order
}

// reorder is a copy of t of which row i is t's row order[i].
func reorder(t quant.Tensor, cols int, order []int) quant.Tensor {
	size := t.Type.Bytes(cols)
	data := make([]byte, 0, len(t.Data))
	for _, row := range order {
		data = append(data, t.Data[row*size:(row+1)*size]...)
	}
	t.Data = data
	return t
}
