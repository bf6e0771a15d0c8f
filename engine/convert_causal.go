package engine

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// causal adapts the settings and tensors of a decoder.
func (c *converter) causal(n *reranker, m *Model, arch string) error {
	f := c.file
	read := f.settings.read
	dim := uint32(n.attention.dim)
	read[keyHeadDim.gguf], read[keyValueDim.gguf], read[keyRopeDims.gguf] = dim, dim, dim
	read[keyKeyHeads.gguf] = uint32(n.attention.shared)
	if err := c.slides(n, arch); err != nil {
		return err
	}
	if err := c.turns(n.ropes, n.windows, arch); err != nil {
		return err
	}
	switch arch {
	case "llama":
		c.edits = append(c.edits,
			edit{name: "attn_q.weight", heads: n.attention.heads}, edit{name: "attn_q.bias", heads: n.attention.heads},
			edit{name: "attn_k.weight", heads: n.attention.shared}, edit{name: "attn_k.bias", heads: n.attention.shared})
	case "gemma2", "gemma3":
		read[keyScoreCap.gguf], read[keyLogitCap.gguf] = n.attention.softCap, n.logitCap
		c.queryScale(n, arch)
		fallthrough
	case "gemma":
		c.gain = 1
	}
	if err := c.causalHead(n, m, arch); err != nil {
		return err
	}
	return c.chatTemplate()
}

// slides writes the windows, which llama.cpp knows in Gemma only.
func (c *converter) slides(n *reranker, arch string) error {
	window := slices.Max(n.windows)
	switch {
	case arch == "gemma2":
		c.pattern(n.windows, 2, func(i, every int) bool { return (i+1)%every == 0 })
	case arch == "gemma3":
		c.pattern(n.windows, 6, func(i, every int) bool { return (i+1)%every == 0 })
	case window > 0:
		return c.file.refuse("a conversion of "+c.file.architecture+" with layers that see a window", "GGUF has no such "+arch)
	}
	if window > 0 {
		c.file.settings.read[keyWindow.gguf] = uint32(window)
	}
	return nil
}

// queryScale puts a scale of scores that GGUF has no key for into what makes the
// queries: their norm or their matrix.
func (c *converter) queryScale(n *reranker, arch string) {
	largest, target := 46, "attn_q."
	if arch == "gemma3" {
		largest, target = 62, "attn_q_norm.weight"
	}
	usual := float64(n.attention.dim)
	if len(n.windows) == largest {
		usual = float64(c.file.dims["hidden"] / n.attention.heads)
	}
	ratio := float64(n.attention.scale) * math.Sqrt(usual)
	if math.Abs(ratio-1) < 1e-6 {
		return
	}
	if arch == "gemma3" {
		c.edits = append(c.edits, edit{name: target, scale: float32(ratio)})
		return
	}
	for _, end := range []string{"weight", "bias"} {
		c.edits = append(c.edits, edit{name: target + end, scale: float32(ratio)})
	}
}

// weave puts the rows of a matrix of heads in the order that llama.cpp has them in
// for Llama; see unweave.
func (c *converter) weave(ranges []rowRange, heads int) {
	for i := range ranges {
		r := &ranges[i]
		rows := rowsOf(r.Shape)
		if r.from != 0 || r.to != rows || rows%(2*heads) != 0 {
			c.err = fmt.Errorf("%s: tensor %s: %d rows from %d on, which are not %d heads", c.file.loader.path, r.Name, r.to-r.from, r.from, heads)
			return
		}
		plain := unwoven(rows, heads)
		order := make([]int, rows)
		for row, woven := range plain {
			order[woven] = row
		}
		r.order = order
	}
}

// causalHead writes what makes scores.
func (c *converter) causalHead(n *reranker, m *Model, arch string) error {
	f := c.file
	read := f.settings.read
	if n.ProjectIn != nil {
		return nil
	}
	p, err := choosePrompt(m, f, n, Options{})
	if err != nil {
		return err
	}
	reranks := false // as llama.cpp's Qwen3-Reranker does
	switch {
	case n.mean:
		read[keyOutputLabels.gguf] = f.labels
		read[".attention.causal"] = false
		if n.divisor != 1 {
			c.edits = append(c.edits, edit{name: "cls.output.weight", scale: 1 / n.divisor})
		}
	case n.Score != nil:
		read[keyOutputLabels.gguf] = f.labels
		if n.yesFirst {
			read[keyOutputLabels.gguf] = []string{f.labels[1], f.labels[0]}
		}
		read[keyPoolingType.gguf] = uint32(poolingRank)
		reranks = arch == "qwen3"
		if reranks && len(f.labels) == 1 {
			// llama.cpp takes the softmax of the classifier's rows, which of one is 1:
			// with one of zeros beside it, it is the sigmoid.
			score, _ := f.find("score.weight")
			width := score.Len()
			c.floats("cls.output.weight", []int{2, width}, append(c.numbers(score), make([]float32, width)...))
			read[keyOutputLabels.gguf] = []string{"yes", "no"}
		}
	case arch == "qwen3" && f.calledQwenReranker(m):
		ids, _, err := p.answers(m.tokenizer, "")
		if err != nil || len(ids) != 2 {
			break // it is only called so
		}
		rows := make([]float32, 2*n.Words.Cols)
		n.head().Row(rows[:n.Words.Cols], ids[1])
		n.head().Row(rows[n.Words.Cols:], ids[0])
		c.floats("cls.output.weight", []int{2, n.Words.Cols}, rows)
		read[keyOutputLabels.gguf] = []string{"yes", "no"}
		read[keyPoolingType.gguf] = uint32(poolingRank)
		reranks = true
	}
	if usual := qwen3Prompt(); reranks && p.name == usual.name {
		text := ""
		for _, s := range usual.pieces {
			text += s.text
		}
		c.set("tokenizer.chat_template.rerank", strings.Replace(text, fieldInstruction, usual.instruction, 1))
		c.set("tokenizer.chat_templates", []string{"rerank"})
	} else {
		read[keyPrompt.gguf] = p.name
	}
	return nil
}

// calledQwenReranker says whether the model is a Qwen3-Reranker by its name or its
// card, which is all that tells it from a language model.
func (f *file) calledQwenReranker(m *Model) bool {
	name, _ := f.config.String("_name_or_path")
	for _, s := range []string{f.name, absolute(m.path), name} {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(s), "-", ""), "qwen3reranker") {
			return true
		}
	}
	card, err := readSmall(filepath.Join(filepath.Dir(f.settings.path), "README.md"))
	return err == nil && strings.Contains(strings.ToLower(string(card)), "# qwen3-reranker")
}

// ends writes the tokens that end a text beside the one that the vocabulary calls
// its end.
func (c *converter) ends(m *Model) {
	ids := c.file.endTokens(m)
	for _, name := range endNames { // which are known anyway
		if id, ok := m.tokenizer.ID(name); ok {
			delete(ids, id)
		}
	}
	for _, kv := range c.metadata {
		if id, ok := kv.Value.(uint32); ok && kv.Key == "tokenizer.ggml.eos_token_id" {
			delete(ids, int32(id))
		}
	}
	var rest []int32
	for id := range ids {
		rest = append(rest, id)
	}
	slices.Sort(rest)
	for i, key := range []string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"} {
		if i < len(rest) {
			c.set(key, uint32(rest[i]))
		}
	}
}

// chatTemplate copies the template of conversations, for those who have them.
func (c *converter) chatTemplate() error {
	dir := filepath.Dir(c.file.settings.path)
	data, err := readSmall(filepath.Join(dir, "chat_template.jinja"))
	text := string(data)
	if os.IsNotExist(err) {
		var config jsonValues
		config, err = optionalObject(filepath.Join(dir, "tokenizer_config.json"))
		text, _ = config.String("chat_template")
	}
	if err == nil && text != "" {
		c.set("tokenizer.chat_template", text)
	}
	return err
}

// foldNorm puts the bias of the norm in ModernBERT's head, which llama.cpp has
// none of, into the classifier's:
//
//	classifier·(n + b) + c = classifier·n + (classifier·b + c)
func (c *converter) foldNorm(n *modernBERT) error {
	if n.DenseNorm.Eps != c.file.eps {
		return c.file.refuse(fmt.Sprintf("a conversion of a head whose norm has the epsilon %g, the others %g,", n.DenseNorm.Eps, c.file.eps), "")
	}
	b := n.DenseNorm.Bias
	if b == nil {
		return nil
	}
	weight, ok := c.file.find("classifier.weight")
	if !ok || len(weight.Shape) != 2 {
		return nil
	}
	w := c.numbers(weight)
	sums := make([]float32, weight.Shape[0])
	for i := range sums {
		sum := 0.0
		for j, v := range b {
			sum += float64(v) * float64(w[i*len(b)+j])
		}
		if n.Classifier.Bias != nil {
			sum += float64(n.Classifier.Bias[i])
		}
		sums[i] = float32(sum)
	}
	c.own["cls.norm.bias"] = true
	c.floats("cls.output.bias", []int{len(sums)}, sums)
	return nil
}
