package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

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
func Convert(in, out string, t quant.Type, progress func(done, of int)) (c Conversion, err error) {
	f, err := checkpoint.Open(in)
	if err != nil {
		return c, err
	}
	err = mapfile.Read(f.Path, func() error {
		if f.IsGGUF() {
			defer f.Close()
			e, err := checkpoint.Retype(f, t)
			if err == nil {
				c, err = e.WriteFile(out, progress)
			}
			return err
		}
		m, fam, err := build(f, in, Options{Precision: F32, anyLabel: true}, t == quant.F32)
		if err != nil {
			return err
		}
		defer m.Close()
		e, err := m.export(fam, t)
		if err == nil {
			c, err = e.WriteFile(out, progress)
		}
		if err == nil && t == quant.F32 {
			err = m.compareOutputs(out)
		}
		return err
	})
	return c, err
}

// export makes a GGUF file of the model: what the network's tables say, what its family
// and its tasks add, and the tokenizer.
func (m *Model) export(fam *family.Family, t quant.Type) (*checkpoint.Export, error) {
	n := m.network
	arch := cmp.Or(n.GGUF, fam.Architecture())
	if arch == "" {
		return nil, m.file.Refuse("a conversion of "+m.file.Architecture, "")
	}
	e, err := checkpoint.NewExport(m.file, t, arch)
	if err != nil {
		return nil, err
	}
	e.Settings(n.Settings)
	if n.Export != nil {
		if err := n.Export(e); err != nil {
			return nil, err
		}
	}
	e.Tokenizer(m.tokenizer, n.Spec.VocabSize)
	for _, task := range []exporter{m.ranker, m.embedder, m.completer} {
		if err := task.export(e); err != nil {
			return nil, err
		}
	}
	if m.maxLength < max(m.positions, n.MaxLength) {
		e.SequenceLimit(m.maxLength)
	}
	e.Tensors()
	return e, nil
}

// compare opens a file in F32 that was written of the model and compares what the
// two compute.
func (m *Model) compareOutputs(path string) error {
	copied, err := Open(path, Options{Precision: F32, Threads: m.runner.Size(), anyLabel: true})
	if err != nil {
		return fmt.Errorf("the file that was written cannot be opened: %w", err)
	}
	defer copied.Close()
	want, err := m.sampleOutputs()
	if err != nil {
		return err
	}
	got, err := copied.sampleOutputs()
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

// sample is what the model computes of some texts: scores, or vectors, or nothing where
// it only completes.
func (m *Model) sampleOutputs() (numbers []float64, err error) {
	ctx := context.Background()
	documents := []string{"Deep learning is a subset of machine learning.", "Äpfel sind süß."}
	e, err := m.Encode(ctx, "What is deep learning?", documents, EncodeOptions{})
	if err == nil {
		out, err := m.Score(ctx, e.Sequences)
		for _, o := range out {
			numbers = append(numbers, o.Logit)
		}
		return numbers, err
	}
	if !errors.Is(err, ErrCannotRerank) {
		return nil, err
	}
	if e, err = m.EncodeTexts(ctx, documents, TextOptions{}); err != nil {
		if errors.Is(err, ErrCannotEmbed) {
			err = nil
		}
		return nil, err
	}
	vectors, err := m.Embed(ctx, e.Sequences)
	return toFloat64(slices.Concat(vectors...)), err
}
