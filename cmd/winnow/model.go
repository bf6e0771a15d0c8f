package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/internal/nearest"
	"github.com/winnow-rerank/winnow/models"
)

// modelFlags are the flags shared by the commands that load a model.
type modelFlags struct {
	Model       string `short:"m" placeholder:"MODEL" help:"GGUF file, Hugging Face model directory, hub id, or short name (see winnow models); default: the built-in model."`
	Revision    string `placeholder:"REV" help:"Revision of a hub model: branch, tag or commit (also ORG/NAME@REV)."`
	Threads     int    `short:"t" placeholder:"N" help:"${threads}"`
	Precision   string `enum:"auto,f32,f16,int8,int8a16,int16a8" default:"auto" help:"Precision of matrix products: ${enum}."`
	MaxLength   int    `placeholder:"N" help:"Maximum tokens of a query and document together (0: the model's limit)."`
	BatchTokens int    `placeholder:"N" help:"Tokens each thread processes at a time (0: automatic)."`
	Offline     bool   `help:"Do not download anything."`

	causalFlags `embed:""`
}

// causalFlags are the flags for certain kinds of rerankers: causal models, and
// classifiers with several labels.
type causalFlags struct {
	Label       string `placeholder:"NAME" help:"Classifier label that means relevant, by name or index; default: recognised by name, or the second of two."`
	Score       string `placeholder:"SCORE" help:"Score of a causal model: yes-no, yes or token:ID (default: the authors'); cosine: rank with an embedding model."`
	Template    string `placeholder:"FILE" help:"Prompt template of a causal model: a file containing {query} and {document}, or a built-in name (default: the authors')."`
	Instruction string `placeholder:"TEXT" help:"Instruction for the prompt of a causal model."`
	Layer       int    `placeholder:"N" help:"Last layer to run of a layerwise reranker (0: all layers)."`
	Compress    string `placeholder:"RATIO@LAYER,…" help:"Merge every RATIO document tokens into one before these layers of a lightweight reranker, such as 2@24."`
	PlainText   bool   `help:"Treat special tokens spelled out in queries and documents as plain text; use with untrusted documents."`
}

func (f *causalFlags) options() ([]winnow.Option, error) {
	ratio, layers, err := parseCompression(f.Compress)
	if err != nil {
		return nil, err
	}
	options := []winnow.Option{winnow.WithScore(f.Score), winnow.WithInstruction(f.Instruction), winnow.WithLabel(f.Label),
		winnow.WithLayer(f.Layer), winnow.WithCompression(ratio, layers...)}
	if f.PlainText {
		options = append(options, winnow.WithPlainText())
	}
	if f.Template == "" {
		return options, nil
	}
	data, err := os.ReadFile(f.Template)
	switch {
	case err == nil:
		return append(options, winnow.WithTemplate(string(data))), nil
	case errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(f.Template, "/\\."):
		return append(options, winnow.WithTemplate(f.Template)), nil // the name of a built-in prompt
	}
	return nil, fmt.Errorf("--template: %w", err)
}

// parseCompression parses a ratio and layers, such as "2@24,40".
func parseCompression(text string) (ratio int, layers []int, err error) {
	if text == "" {
		return 0, nil, nil
	}
	first, rest, _ := strings.Cut(text, "@")
	if ratio, err = strconv.Atoi(first); err != nil || ratio < 1 {
		return 0, nil, usagef("--compress %s: expected a ratio and layers, such as 2@24,40", text)
	}
	for number := range strings.SplitSeq(rest, ",") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return 0, nil, usagef("--compress %s: expected a ratio and layers, such as 2@24,40", text)
		}
		layers = append(layers, n)
	}
	return ratio, layers, nil
}

func (f *modelFlags) options() ([]winnow.Option, error) {
	p, err := winnow.ParsePrecision(f.Precision)
	if err != nil {
		return nil, usageError{err}
	}
	for name, n := range map[string]int{"--threads": f.Threads, "--max-length": f.MaxLength, "--batch-tokens": f.BatchTokens} {
		if n < 0 {
			return nil, usagef("%s is %d: expected a number of at least 0", name, n)
		}
	}
	causal, err := f.causalFlags.options()
	if err != nil {
		return nil, err
	}
	return append(causal, winnow.WithThreads(f.Threads), winnow.WithPrecision(p), winnow.WithMaxLength(f.MaxLength),
		winnow.WithBatchTokens(f.BatchTokens)), nil
}

// open loads the model named by the flags.
func (f *modelFlags) open(env *environment) (*winnow.Model, error) {
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	name, err := withRevision(f.Model, f.Revision)
	if err != nil {
		return nil, err
	}
	model, err := openModel(env.ctx, name, hubSource(env, f.Offline, ""), options)
	if err == nil {
		warnUnread(env, model)
	}
	return model, err
}

// warnUnread warns of settings in the model's files that were not read and may matter.
func warnUnread(env *environment, model *winnow.Model) {
	if unread := model.Info().UnreadSettings; len(unread) > 0 {
		env.note("the model has settings that winnow ignores and that may affect its scores: %s", printable(strings.Join(unread, ", ")))
	}
}

// hubSource returns the source of the hub's models.
func hubSource(env *environment, offline bool, token string) hub.Source {
	return hub.Source{Offline: offline, Token: token, Progress: progress(env.stderr),
		Note: func(message string) { env.note("%s", printable(message)) }}
}

// withRevision adds a revision to the name of a model of the hub.
func withRevision(name, revision string) (string, error) {
	if revision == "" {
		return name, nil
	}
	ref, ok := parseModel(name)
	if !ok {
		return "", usagef("--revision is %q: %s is not a hub model", revision, name)
	}
	if ref.Revision != "" && ref.Revision != revision {
		return "", usagef("two revisions given: %s and %s", ref.Revision, revision)
	}
	ref.Revision = revision
	if _, ok := hub.ParseRef(ref.String()); !ok {
		return "", usagef("--revision is %q: expected a branch, a tag or a commit", revision)
	}
	return ref.String(), nil
}

// openModel loads a model by name; "" is the built-in one.
func openModel(ctx context.Context, name string, source hub.Source, options []winnow.Option) (*winnow.Model, error) {
	path, err := locate(ctx, name, source)
	if err != nil {
		return nil, err
	}
	if path != "" {
		return winnow.Open(path, options...)
	}
	data := models.Default()
	if data == nil {
		return nil, usagef("this build of winnow has no built-in model: choose one with --model")
	}
	return winnow.OpenBytes(models.Name, data, options...)
}

// locate returns the path of a model: its name if such a file or directory exists,
// otherwise its place in the hub's cache, downloading it if necessary. The path of the
// built-in model, also named "", is "".
func locate(ctx context.Context, name string, source hub.Source) (string, error) {
	if name == "" {
		return "", nil
	}
	_, err := os.Stat(name)
	if err == nil {
		return name, nil
	}
	if isBuiltIn(name) {
		return "", nil
	}
	ref, ok := parseModel(name)
	if !ok {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENAMETOOLONG) {
			return "", err
		}
		return "", fmt.Errorf("model %s: no such file or directory%s", name, nearestModel(name))
	}
	// A name meant as a path must not be sent to the hub. One with a revision, a file or
	// the hub's address cannot be a path.
	if name == ref.Repo {
		dir, err := cacheDir(source.Dir)
		if err != nil {
			return "", err
		}
		if path, err := hub.Find(dir, ref); err == nil {
			return path, nil
		}
		if hint := mistyped(name); hint != "" {
			return "", fmt.Errorf("model %s: no such file or directory%s", name, hint)
		}
	}
	return source.Get(ctx, ref)
}

// fullName expands a short name of winnow models; other names are returned as they are.
func fullName(name string) string {
	for _, s := range suggestions {
		if strings.EqualFold(s.Name, name) {
			return s.Model
		}
	}
	return name
}

// isBuiltIn reports whether name is that of the built-in model.
func isBuiltIn(name string) bool { return strings.EqualFold(fullName(name), models.Name) }

// parseModel parses the name of a model of the hub, ORG/NAME with optional suffixes, or a
// short name of winnow models.
func parseModel(name string) (hub.Ref, bool) { return hub.ParseRef(fullName(name)) }

// mistyped says why a name that could be of the hub is probably a path that does not
// exist, or returns "".
func mistyped(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gguf", ".safetensors", ".onnx", ".bin", ".json":
		return nearestFile(name) + "; to name a file of a hub model, use ORG/NAME:FILE"
	}
	folder, rest, _ := strings.Cut(name, "/")
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return fmt.Sprintf("%s; for the hub model, run winnow pull %s", nearestFile(name), name)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if nearest.Distance(folder, e.Name()) > 2 || !e.IsDir() {
			continue
		}
		path := filepath.Join(e.Name(), rest)
		if _, err := os.Stat(path); err == nil {
			return fmt.Sprintf("; did you mean %s? For the hub model, run winnow pull %s", path, name)
		}
	}
	return ""
}

// nearestFile suggests a file or folder next to a path that does not exist.
func nearestFile(path string) string {
	base := filepath.Base(path)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	best, distance := "", (len(base)+4)/3
	for _, e := range entries {
		if d := nearest.Distance(strings.ToLower(base), strings.ToLower(e.Name())); d < distance {
			best, distance = e.Name(), d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + printable(filepath.Join(filepath.Dir(path), best)) + "?"
}

// nearestModel suggests what was probably meant by a name that is neither a path nor a
// model of the hub.
func nearestModel(name string) string {
	if hint := nearestFile(name); hint != "" {
		return hint
	}
	if hint := nearestName(name); hint != "" {
		return hint
	}
	if !strings.ContainsAny(name, `/\.`) {
		return "; hub models are named ORG/NAME (winnow models lists some)"
	}
	return ""
}

// nearestName suggests one of winnow's own names.
func nearestName(name string) string {
	names := []string{models.Name}
	for _, s := range suggestions {
		names = append(names, s.Name)
	}
	for _, known := range names {
		if nearest.Distance(strings.ToLower(name), strings.ToLower(known)) <= len(known)/4 {
			return "; did you mean " + known + "?"
		}
	}
	return ""
}

// baseName returns the default name of a model at path.
func baseName(path string) string {
	name := filepath.Base(filepath.Clean(path))
	if ext := filepath.Ext(name); strings.EqualFold(ext, ".gguf") {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}
