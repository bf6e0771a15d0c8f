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

// A Conversion describes the file that Convert has written.
type Conversion = checkpoint.Conversion

// ConvertTypes returns the names of the types that Convert can write, in lower case.
func ConvertTypes() []string { return checkpoint.ExportTypes() }

// Convert writes the model at path in as the GGUF file out, with its matrices in type t:
// F32, F16, BF16 or one of the block types that quant.Quantize writes. Norms, biases,
// position tables, convolutions, heads and modules stay F32. progress, if not nil, is
// called with the number of tensors written and their total.
//
// If in is a GGUF file, its metadata and the types of other tensors are kept. If it is a
// folder, the conversion fails if its settings, read back from the GGUF metadata, differ,
// or if t is F32 and the written model computes different numbers.
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

// export returns the model as a GGUF file to be written: the settings and tensors of the
// network, additions of its family and tasks, and the tokenizer.
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

// compareOutputs opens the F32 file that was written from the model and returns an error
// if the two compute different numbers.
func (m *Model) compareOutputs(path string) error {
	copied, err := Open(path, Options{Precision: F32, Threads: m.runner.Size(), anyLabel: true})
	if err != nil {
		return fmt.Errorf("the written file cannot be opened: %w", err)
	}
	defer copied.Close()
	want, err := m.sampleOutputs()
	if err != nil {
		return err
	}
	got, err := copied.sampleOutputs()
	if err != nil {
		return fmt.Errorf("the written file: %w", err)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s: the written file yields %d numbers, the model %d", path, len(got), len(want))
	}
	for i, w := range want {
		if math.Abs(got[i]-w) > 1e-4*(1+math.Abs(w)) {
			return fmt.Errorf("%s: the written file yields %g, the model %g", path, got[i], w)
		}
	}
	return nil
}

// sampleOutputs returns scores of example texts, or their vectors if the model does not
// rank, or nothing if it does not embed either.
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
