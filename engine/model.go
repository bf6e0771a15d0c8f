package engine

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A Model is a loaded model. Its methods may be called at the same time; Close only
// when none of them runs.
type Model struct {
	*backbone
	tasks
	info Info
}

// Open loads the model at path.
func Open(path string, o Options) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	return load(f, path, o)
}

// OpenBytes loads a GGUF file from memory.
func OpenBytes(name string, data []byte, o Options) (*Model, error) {
	f, err := checkpoint.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return load(f, name, o)
}

// load makes a model of f, which it closes if it cannot.
func load(f *checkpoint.File, path string, o Options) (m *Model, err error) {
	err = mapfile.Read(f.Path, func() error {
		m, _, err = build(f, path, o, true)
		return err
	})
	return m, err
}

// build is load, and says of which family the model is. Without weights it is not
// made ready to compute.
func build(f *checkpoint.File, path string, o Options, weights bool) (_ *Model, _ *family.Family, err error) {
	b := &backbone{path: path, file: f, plainText: o.PlainText, chunkTokens: cmp.Or(o.BatchTokens, defaultBatchTokens)}
	m := &Model{backbone: b}
	built := false
	defer func() {
		if !built {
			m.Close()
		}
	}()
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	fam, task, err := family.Find(f)
	if err != nil {
		return nil, nil, err
	}
	words := readTokenizer(f)
	defer words() // it reads the file, which Close unmaps
	f.RoundAll = o.roundAll
	precision, reason := f.ChoosePrecision(o.Precision, cmp.Or(fam.EightBits, Int8))
	calibrated := precision == Int8 || precision == Int16A8
	b.task, b.network = task, fam.New(f, task)
	plan, err := b.plan(o)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Load(b.network.LoadOptions(fam, plan.settings...), append([]any{b.network.Trunk}, plan.parts...)...); err != nil {
		return nil, nil, err
	}
	b.runner = compute.NewRunner(o.Threads, compute.RunnerOptions{Coarse: calibrated, Pause: o.Pause})
	if weights {
		if m.info.WeightBytes, err = b.pack(); err != nil {
			return nil, nil, err
		}
	}
	if b.tokenizer, err = words(); err != nil {
		return nil, nil, err
	}
	if err := b.setMaxLength(o); err != nil {
		return nil, nil, err
	}
	m.tasks = noTasks(path)
	if err := plan.finish(&m.tasks, o); err != nil {
		return nil, nil, err
	}
	if weights && calibrated && f.Widens() {
		c, err := b.calibrate()
		if err != nil {
			return nil, nil, err
		}
		m.info.WeightBytes += c.Bytes
		reason += "; " + describeCalibration(c)
	}
	m.describe(fam)
	m.info.Precision, m.info.PrecisionReason = precision, reason
	built = true
	return m, fam, nil
}

// readTokenizer reads the vocabulary while the weights are packed; what it returns waits
// for it.
func readTokenizer(f *checkpoint.File) func() (*tokenizer.Tokenizer, error) {
	var t *tokenizer.Tokenizer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = mapfile.Read(f.Path, func() (err error) {
			t, err = f.Tokenizer()
			return err
		})
	}()
	return func() (*tokenizer.Tokenizer, error) {
		<-done
		return t, err
	}
}

// Encode turns the query with each of the documents into tokens, truncated to the
// length that the model takes. It returns early when ctx is done.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plainText, m.truncationSide(o.Side)
	return m.ranker.encode(ctx, query, documents, o, m.sequenceLimit(o.MaxLength))
}

// Score scores sequences that Encode has made. The result is in their order.
func (m *Model) Score(ctx context.Context, sequences []Sequence) ([]Output, error) {
	if err := m.checkSequences(sequences); err != nil {
		return nil, err
	}
	outputs := make([]Output, len(sequences))
	if err := m.ranker.score(ctx, sequences, outputs); err != nil {
		return nil, err
	}
	return outputs, nil
}

// EncodeTexts turns texts into tokens, truncated to the length that the model takes.
// It returns early when ctx is done.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plainText, m.truncationSide(o.Side)
	return m.embedder.encodeTexts(ctx, texts, o, m.sequenceLimit(o.MaxLength))
}

// Embed makes a vector of each sequence that EncodeTexts has made, in their order.
// They are as the model's chain gives them, but for a last Normalize: see Info.Unit
// and Normalize.
func (m *Model) Embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkSequences(sequences); err != nil {
		return nil, err
	}
	return m.embedder.embed(ctx, sequences)
}

// TokenStates are the last hidden states of every token of sequences that EncodeTexts has
// made, those of a sequence one behind the other: neither pooled nor normalised.
func (m *Model) TokenStates(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkSequences(sequences); err != nil {
		return nil, err
	}
	return m.embedder.states(ctx, sequences)
}

// Complete continues a prompt.
func (m *Model) Complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	return m.completer.complete(ctx, prompt, o)
}

// ChatPrompt writes messages with the model's own chat template, as the prompt of a
// completion. variables are given to the template beside the messages, add_generation_prompt
// among them: without it the prompt does not begin the answer.
func (m *Model) ChatPrompt(messages []Message, variables map[string]any) (string, error) {
	return m.completer.chatPrompt(messages, variables)
}

// ChatTokens are the tokens of what ChatPrompt wrote. Templates may write the token that
// texts begin with, and then it is not put there once more.
func (m *Model) ChatTokens(prompt string) ([]int32, error) {
	s, err := m.Tokenize(prompt, m.info.BOS == "" || !strings.HasPrefix(prompt, m.info.BOS))
	return s.IDs, err
}

// Info describes the model.
func (m *Model) Info() Info { return m.info }

func (m *Model) describe(fam *family.Family) {
	f, n, info := m.file, m.network, &m.info
	info.Name, info.Path, info.Format = f.Name, m.path, f.Format
	if info.Name == "" {
		info.Name = strings.TrimSuffix(filepath.Base(m.path), ".gguf")
	}
	info.Architecture, info.Family = f.Architecture, fam.Name
	m.ranker.describe(info)
	m.embedder.describe(info)
	m.completer.describe(info)
	info.Unread = f.Unread()
	info.MaxLength = m.maxLength
	info.Layers, info.Hidden, info.Intermediate = n.Spec.Layers, n.Spec.HiddenSize, n.Spec.IntermediateSize
	info.Vocabulary, info.Heads = n.Spec.VocabSize, n.Spec.Heads
	info.Tokenizer = m.tokenizer.Kind()
	info.Tensors, info.Parameters, info.FileBytes = f.TensorInfos()
	info.EmbeddingBytes = f.TableBytes()
	info.Kernels = kernels.Rung()
	info.Threads = m.runner.Size()
	tokens := max(m.chunkTokens, m.maxLength)
	if n.Bag {
		tokens = m.chunkTokens // a text's vectors are added up one after another
	}
	info.ActivationBytes = compute.ActivationBytes(m.runner.Size(), tokens, info.Hidden, info.Intermediate)
}
