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

// A Model is a loaded model. Its methods may be called concurrently, except that Close
// must not run at the same time as any other.
type Model struct {
	*backbone
	tasks
	info Info
}

// Open loads the model at path: a GGUF file, or a folder in Hugging Face layout.
func Open(path string, o Options) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	return load(f, path, o)
}

// OpenBytes loads a GGUF file from memory. name stands for its path in errors and Info.
func OpenBytes(name string, data []byte, o Options) (*Model, error) {
	f, err := checkpoint.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return load(f, name, o)
}

// load builds a model from f. It closes f on failure.
func load(f *checkpoint.File, path string, o Options) (m *Model, err error) {
	err = mapfile.Read(f.Path, func() error {
		m, _, err = build(f, path, o, true)
		return err
	})
	return m, err
}

// build is load without handling faults of the mapped file. It also returns the model's
// family. Unless weights is set, the model is not prepared for computation.
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
	waitTokenizer := readTokenizer(f)
	defer waitTokenizer() // runs before Close unmaps the file, which it reads
	f.RoundAll = o.roundAll
	precision, reason := f.ChoosePrecision(o.Precision, cmp.Or(fam.EightBits, Int8))
	calibrated := precision == Int8 || precision == Int16A8
	b.task, b.network = task, fam.New(f, task)
	plan, err := b.loadTensors(fam, o)
	if err != nil {
		return nil, nil, err
	}
	b.runner = compute.NewRunner(o.Threads, compute.RunnerOptions{Coarse: calibrated, Pause: o.Pause})
	if weights {
		if m.info.WeightBytes, err = b.pack(); err != nil {
			return nil, nil, err
		}
	}
	if b.tokenizer, err = waitTokenizer(); err != nil {
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

// loadTensors plans the tasks and loads the tensors of the network and of the tasks.
func (b *backbone) loadTensors(fam *family.Family, o Options) (*taskPlan, error) {
	plan, err := b.plan(o)
	if err != nil {
		return nil, err
	}
	return plan, b.file.Load(b.network.LoadOptions(fam, plan.settings...), append([]any{b.network.Trunk}, plan.parts...)...)
}

// readTokenizer starts reading the tokenizer while the weights are packed, and returns a
// function that waits for the result.
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

// Encode tokenizes the query with each of the documents, truncated to the model's maximum
// length or to o.MaxLength. When ctx is done, it returns the cause.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plainText, m.truncationSide(o.Side)
	return m.ranker.encode(ctx, query, documents, o, m.sequenceLimit(o.MaxLength))
}

// Score scores sequences returned by Encode, in their order. If a result is not finite,
// it returns ErrNotFinite.
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

// EncodeTexts tokenizes texts, truncated to the model's maximum length or to o.MaxLength.
// When ctx is done, it returns the cause.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plainText, m.truncationSide(o.Side)
	return m.embedder.encodeTexts(ctx, texts, o, m.sequenceLimit(o.MaxLength))
}

// Embed returns a vector for each sequence returned by EncodeTexts. Vectors are not
// normalised, even if the model's last module does so: see Info.Unit and Normalize.
func (m *Model) Embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkSequences(sequences); err != nil {
		return nil, err
	}
	return m.embedder.embed(ctx, sequences)
}

// TokenStates returns the last hidden states of each sequence returned by EncodeTexts,
// concatenated token by token (Info.Hidden numbers each), neither pooled nor normalised.
func (m *Model) TokenStates(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkSequences(sequences); err != nil {
		return nil, err
	}
	return m.embedder.states(ctx, sequences)
}

// Complete continues a prompt, given as the tokens returned by PromptTokens or
// ChatTokens.
func (m *Model) Complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	return m.completer.complete(ctx, prompt, o)
}

// ChatPrompt renders messages with the model's chat template as the prompt of a
// completion. variables are additional template variables; set add_generation_prompt to
// end the prompt with the start of the answer.
func (m *Model) ChatPrompt(messages []Message, variables map[string]any) (string, error) {
	return m.completer.chatPrompt(messages, variables)
}

// ChatTokens returns the tokens of a prompt returned by ChatPrompt. If the template has
// written the token that begins a text, ChatTokens does not add it again.
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
		tokens = m.chunkTokens // a text's vectors are summed one at a time
	}
	info.ActivationBytes = compute.ActivationBytes(m.runner.Size(), tokens, info.Hidden, info.Intermediate)
}
