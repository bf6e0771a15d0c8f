package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/quant"
)

// A Conversion is what Convert has written.
type Conversion = checkpoint.Conversion

// ConvertTypes are the names of the types that Convert writes.
func ConvertTypes() []string { return checkpoint.ExportTypes() }

// Convert writes the model at path in as the GGUF file out, with its matrices in
// type t: F32, F16, BF16 or one of the block types that quant.Quantize writes.
// Norms, biases, position tables, convolutions, heads and modules stay F32. progress, if
// it is not nil, is told how many of the tensors have been written.
//
// A GGUF file keeps its metadata and the types of what is not a matrix. A folder's
// settings are read back from what is written, and, if it is in F32, its numbers:
// where they differ, the conversion fails.
func Convert(in, out string, t quant.Type, progress func(done, of int)) (Conversion, error) {
	f, err := checkpoint.Open(in)
	if err != nil {
		return Conversion{}, err
	}
	var result Conversion
	err = mapfile.Read(f.Path, func() (err error) {
		if f.IsGGUF() {
			result, err = retype(f, out, t, progress)
		} else {
			result, err = convertFolder(f, in, out, t, progress)
		}
		return err
	})
	return result, err
}

// retype writes a GGUF file with its matrices in another type.
func retype(f *checkpoint.File, out string, t quant.Type, progress func(done, of int)) (Conversion, error) {
	defer f.Close()
	e, err := checkpoint.Retype(f, t)
	if err != nil {
		return Conversion{}, err
	}
	return e.WriteFile(out, progress)
}

// convertFolder writes a folder's model as a GGUF file and compares the two.
func convertFolder(f *checkpoint.File, in, out string, t quant.Type, progress func(done, of int)) (Conversion, error) {
	m, fam, err := build(f, in, Options{Precision: F32, unjudged: true}, t == quant.F32)
	if err != nil {
		return Conversion{}, err
	}
	defer m.Close()
	result, err := m.export(fam, out, t, progress)
	if err == nil && t == quant.F32 {
		err = m.compare(out)
	}
	return result, err
}

// export writes the model as a GGUF file.
func (m *Model) export(fam *family.Family, out string, t quant.Type, progress func(done, of int)) (Conversion, error) {
	n := m.network
	arch := cmp.Or(n.GGUF, fam.Architecture())
	if arch == "" {
		return Conversion{}, m.file.Refuse("a conversion of "+m.file.Architecture, "")
	}
	e, err := checkpoint.NewExport(m.file, t, arch)
	if err != nil {
		return Conversion{}, err
	}
	e.Settings(n.Settings)
	if n.Export != nil {
		if err := n.Export(e); err != nil {
			return Conversion{}, err
		}
	}
	e.Tokenizer(m.tokenizer, m.typeRows(), n.Spec.VocabSize)
	for _, task := range []exporter{m.ranker, m.embedder, m.completer} {
		if err := task.export(e); err != nil {
			return Conversion{}, err
		}
	}
	if m.maxLength < max(m.positions, n.MaxLength) {
		e.SequenceLimit(m.maxLength)
	}
	e.Tensors(append([]any{n.Trunk}, m.parts...)...)
	return e.WriteFile(out, progress)
}

// typeRows is the number of token types for the tokenizer's metadata.
func (m *Model) typeRows() int {
	if t, ok := m.file.Tensor("embeddings.token_type_embeddings.weight"); ok && len(t.Shape) == 2 {
		return t.Shape[0]
	}
	return 0
}

// An exporter is a task that writes its settings to a GGUF file.
type exporter interface {
	export(e *checkpoint.Export) error
}

func (u unable) export(*checkpoint.Export) error { return nil }

func (p *pair) export(e *checkpoint.Export) error {
	p.exportLabels(e)
	e.Texts(p.prompts.texts, p.prompts.standard)
	if p.bare != "" {
		e.Set(keyPrompt.GGUF, barePair)
		e.ChatTemplate()
	}
	return nil
}

func (c *chat) export(e *checkpoint.Export) error {
	c.exportLabels(e)
	e.Messages(c.format, c.file.SpecialTokens(c.tokenizer))
	prompts, err := readPrompts(c.file)
	if err != nil {
		return err
	}
	e.Texts(prompts.texts, prompts.standard)
	return nil
}

// exportLabels writes what the logits are: those of the family's head, or of a chain.
func (s *scorer) exportLabels(e *checkpoint.Export) {
	if problem := s.file.String(keyProblem, ""); problem != "" {
		e.Set(keyProblem.GGUF, problem)
	}
	s.head.export(e, s.labels)
}

// A classifierHead is a family's own.
type classifierHead struct{ family.Classifier }

func (h classifierHead) export(e *checkpoint.Export, labels []string) { e.Labels(labels) }

// A chainHead is a cross-encoder's modules.
type chainHead struct{ *checkpoint.Chain }

func (h chainHead) export(e *checkpoint.Export, labels []string) { e.Chain(h.Chain, labels) }

func (h *answerHead) export(e *checkpoint.Export, labels []string) { e.LogitScore(h.ids) }

func (e *embedding) export(x *checkpoint.Export) error {
	x.Chain(e.chain, nil)
	x.Texts(e.prompts.texts, e.prompts.standard)
	return nil
}

func (l *late) export(e *checkpoint.Export) error {
	e.Chain(l.chain, nil)
	e.Late(l.settings)
	return nil
}

func (l *listwise) export(*checkpoint.Export) error { return nil }

// export writes the tokens that end a text beside the one that the vocabulary calls
// its end, and the template of conversations.
func (l *languageModel) export(e *checkpoint.Export) error {
	ids := l.endTokens()
	for _, name := range endNames { // which are known anyway
		if id, ok := l.tokenizer.ID(name); ok {
			delete(ids, id)
		}
	}
	if end, ok := e.Get("tokenizer.ggml.eos_token_id").(uint32); ok {
		delete(ids, int32(end))
	}
	var rest []int32
	for id := range ids {
		rest = append(rest, id)
	}
	slices.Sort(rest)
	for i, key := range []string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"} {
		if i < len(rest) {
			e.Set(key, uint32(rest[i]))
		}
	}
	return nil
}

// export writes what makes scores of a causal model, and its prompt.
func (p *prompted) export(e *checkpoint.Export) error {
	ranks, err := p.head.exportPrompted(e, p)
	if err != nil {
		return err
	}
	if usual := p.qwenPrompt(); ranks && p.prompt.name == usual.name {
		e.Set("tokenizer.chat_template.rerank", usual.whole())
		e.Set("tokenizer.chat_templates", []string{"rerank"})
	} else {
		e.Set(keyPrompt.GGUF, p.prompt.name)
	}
	e.ChatTemplate()
	return nil
}

// exportPrompted makes a Qwen3-Reranker what llama.cpp knows as one: a classifier of the
// rows of "yes" and "no".
func (h *answerHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	if !likeQwen3(e.Architecture()) || len(h.ids) != 2 || !p.calledQwenReranker() {
		return false, nil
	}
	ids, _, err := p.prompt.answers(p.tokenizer, "")
	if err != nil {
		return false, err
	}
	rows := make([]float32, 2*h.table.Cols)
	h.table.Row(rows[:h.table.Cols], ids[1])
	h.table.Row(rows[h.table.Cols:], ids[0])
	e.Add("cls.output.weight", []int{2, h.table.Cols}, rows)
	e.Labels([]string{"yes", "no"})
	e.PoolingType(checkpoint.PoolingTypeRank)
	return true, nil
}

func (h classifierHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	e.Labels(p.labels)
	if p.temperature != 0 { // NVIDIA's, which is not causal
		e.Scale("cls.output.weight", 1/p.temperature)
		return false, nil
	}
	e.PoolingType(checkpoint.PoolingTypeRank)
	if !likeQwen3(e.Architecture()) {
		return false, nil
	}
	if len(p.labels) == 1 {
		// llama.cpp takes the softmax of the classifier's rows, which of one is 1:
		// with one of zeros beside it, it is the sigmoid.
		score := e.Numbers("score.weight")
		e.Add("cls.output.weight", []int{2, len(score)}, append(score, make([]float32, len(score))...))
		e.Labels([]string{"yes", "no"})
	}
	return true, nil
}

func (h chainHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	e.Chain(h.Chain, p.labels)
	return false, nil
}

// likeQwen3 says whether an architecture has Qwen3-Reranker's prompt and answers.
func likeQwen3(architecture string) bool { return architecture == "qwen3" || architecture == "qwen3vl" }

// calledQwenReranker says whether the model is a Qwen3-Reranker by its name or its
// card, which is all that tells it from a language model.
func (m *Model) calledQwenReranker() bool {
	for _, s := range []string{m.file.Name, checkpoint.Absolute(m.path), m.file.String(checkpoint.Key{HF: "_name_or_path"}, "")} {
		if s = strings.ReplaceAll(strings.ToLower(s), "-", ""); strings.Contains(s, "qwen3reranker") || strings.Contains(s, "qwen3vlreranker") {
			return true
		}
	}
	card, err := m.file.FileText("README.md")
	card = strings.ToLower(card)
	return err == nil && (strings.Contains(card, "# qwen3-reranker") || strings.Contains(card, "# qwen3-vl-reranker"))
}

// compare opens a file in F32 that was written of the model and compares what the
// two compute.
func (m *Model) compare(path string) error {
	copied, err := Open(path, Options{Precision: F32, Threads: m.runner.Size(), unjudged: true})
	if err != nil {
		return fmt.Errorf("the file that was written cannot be opened: %w", err)
	}
	defer copied.Close()
	want, err := m.sample()
	if err != nil {
		return err
	}
	got, err := copied.sample()
	if err != nil {
		return fmt.Errorf("of the file that was written: %w", err)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s: the file that was written gives %d numbers where the model gives %d", path, len(got), len(want))
	}
	for i, w := range want {
		if math.Abs(got[i]-w) > 1e-4*(1+math.Abs(w)) {
			return fmt.Errorf("%s: the file that was written gives %g where the model gives %g", path, got[i], w)
		}
	}
	return nil
}

// sample is what the model computes of some texts: scores, or a vector.
func (m *Model) sample() ([]float64, error) {
	const query = "What is deep learning?"
	documents := []string{"Deep learning is a subset of machine learning.", "Äpfel sind süß."}
	ctx := context.Background()
	e, err := m.Encode(ctx, query, documents, EncodeOptions{})
	if err == nil {
		out, err := m.Score(ctx, e.Sequences)
		if err != nil {
			return nil, err
		}
		return []float64{out[0].Logit, out[1].Logit}, nil
	}
	if !errors.Is(err, ErrCannotRerank) {
		return nil, err
	}
	if e, err = m.EncodeTexts(ctx, documents, TextOptions{}); err == nil {
		vectors, err := m.Embed(ctx, e.Sequences)
		if err != nil {
			return nil, err
		}
		return doubles(slices.Concat(vectors...)), nil
	}
	if !errors.Is(err, ErrCannotEmbed) {
		return nil, err
	}
	return nil, nil // it only completes
}
