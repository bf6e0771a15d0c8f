package family

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// A Trunk is a transformer without a head.
type Trunk interface {
	// Hidden runs the batch of c through the model and returns the hidden states after
	// the last norm, one row per token selected by want.
	Hidden(c *compute.Context, want compute.Want) compute.Matrix
}

// A Classifier is the head of a family's classification checkpoints.
type Classifier interface {
	// Logits turns pooled states, one row per sequence, into one row of logits each.
	Logits(c *compute.Context, x compute.Matrix) compute.Matrix
	// String describes the head in words.
	String() string
}

// A Task is what a checkpoint was trained for, according to its class.
type Task uint8

// The tasks.
const (
	Classify Task = iota // a classifier scores a pair
	Embed                // the bare encoder; what follows it makes a vector
	Generate             // a language model
	Rank                 // jina-reranker-v3: a list of documents in one prompt
)

// A Family is a kind of transformer and its names in files.
type Family struct {
	Name       string
	ModelTypes []string // config.json's model_type; the first is the default

	// Classes are the names in config.json's architectures, by task.
	Classes map[string]Task
	// OwnClasses says that other classes of the model type belong to another family.
	OwnClasses bool
	// GGUF are values of general.architecture. Where several families share one, it is
	// followed by a slash and the tokenizer's model.
	GGUF []string

	// Export is the general.architecture of exported files; "": the first of GGUF,
	// without a slash.
	Export string

	// EightBits is the default precision for files with 8-bit weights; Auto: Int8.
	// Families whose random models amplify activation rounding more than others, with no
	// trained one to measure, have Int8A16.
	EightBits checkpoint.Precision

	// New reads the settings of f and declares what to load for the task.
	New func(f *checkpoint.File, task Task) *Network
}

// A Network is a family's model, before and after its weights are loaded.
type Network struct {
	Trunk      Trunk
	Classifier Classifier      // for Classify
	Pooling    compute.Pooling // of the states that Classifier reads
	// Temperature divides the classifier's logits; 0: 1.
	Temperature float32
	Spec        *Spec
	Settings    any // the family's settings struct: dimensions for Load, keys for Export

	MaxLength  int  // maximum tokens for which there are positions
	Window     int  // how far a token sees in the layer with the narrowest window: a distance, or the length of a causal window; 0: all layers see everything
	TokenTypes int  // number of token types
	OneType    bool // token types are 0 whatever the tokenizer says
	Decoder    Decoder

	// Prompt is the name of the prompt that rerankers of the class read; "": they have
	// several, or none.
	Prompt string
	// OneLogit says that the classifier has one, whatever labels the settings name.
	OneLogit bool
	// ChooseLayer sets, for a reranker with a head after each of many layers, the layer
	// to stop after (0: the last), and the layers before each of which ratio
	// neighbouring tokens are merged (0 or 1: never). It is called before the model is
	// loaded; nil: the model has one head.
	ChooseLayer func(layer, ratio int, before []int) error

	// Bag says that a text is its tokens, without special ones and possibly empty: the
	// trunk returns the mean of their vectors.
	Bag bool
	// DropsUnknown says that unknown tokens are dropped, and that a text is cut, before
	// tokenisation, to its maximum length times the median token length.
	DropsUnknown bool

	// TokenStates returns the states of every token of a batch, one per row, for a trunk
	// whose Hidden returns something else; nil: Hidden does.
	TokenStates func(c *compute.Context) compute.Matrix

	// How tensors are named and stored.
	Load checkpoint.LoadOptions
	// Prepare computes, once after loading, what depends only on the weights, and
	// returns its size in bytes; nil: nothing.
	Prepare func(r *compute.Runner) (int64, error)
	// ChainClassifier is the family's own head, used instead of a cross-encoder's module
	// chain, or nil if the chain is a different head; nil: there is none.
	ChainClassifier func(f *checkpoint.File, c *checkpoint.Chain, hidden int) Classifier

	// GGUF is the general.architecture of exported files; "": the family's.
	GGUF string
	// Export adds to a GGUF file what the tables cannot express; nil: nothing.
	Export func(e *checkpoint.Export) error
}

// LoadOptions returns the options for loading the network's tensors.
func (n *Network) LoadOptions(fam *Family, more ...any) checkpoint.LoadOptions {
	o := n.Load
	o.Family = fam.Name
	o.Settings = append([]any{n.Settings}, more...)
	return o
}

// Prompted reports whether the trunk is a language model's, queried with a prompt.
func (n *Network) Prompted() bool { return n.Decoder.Words != nil }

// States returns the last hidden states of every token of the batch, one per row.
func (n *Network) States(c *compute.Context) compute.Matrix {
	if n.TokenStates != nil {
		return n.TokenStates(c)
	}
	return n.Trunk.Hidden(c, compute.EveryToken)
}

// Architecture is GGUF's name of the family.
func (fam *Family) Architecture() string {
	if fam.Export != "" || len(fam.GGUF) == 0 {
		return fam.Export
	}
	name, _, _ := strings.Cut(fam.GGUF[0], "/")
	return name
}

// A Decoder holds the additional properties of a language model's trunk. The zero value
// is an encoder's.
type Decoder struct {
	Causal    bool               // no token sees a later one: prefixes can be shared
	Words     *compute.Embedding // that a language model's head can be tied to
	Layers    int                // layers that cache keys and values; 0: texts cannot be continued
	KeyWidth  int                // numbers in a token's keys in a layer
	LogitCap  float32            // of the language model's logits; 0: none
	TiesWords bool               // a language model's head is Words, unless the settings say otherwise

	// OneStep says that the trunk is an encoder followed by a decoder's first step.
	// TiesWords is then final, and LogitScale multiplies the logits.
	OneStep    bool
	LogitScale float32

	// Parts says that token types mark the parts of a prompt: before the document (0),
	// the document (1), and after it (2).
	Parts bool
}

var families []*Family

func register(f *Family) { families = append(families, f) }

// Find returns the family of a file and the task of its class. As in transformers, the
// model type says what a model is; the class, which may be missing or another
// library's, says what it was trained for.
func Find(f *checkpoint.File) (*Family, Task, error) {
	if f.IsGGUF() {
		return findGGUF(f)
	}
	if f.Architecture == "" && f.ModelType == "" {
		return nil, 0, missing(f, "architectures", `a list that begins with the model's class, such as ["BertForSequenceClassification"]`)
	}
	for _, fam := range families {
		if _, ok := fam.Classes[f.Architecture]; ok && (f.ModelType == "" || slices.Contains(fam.ModelTypes, f.ModelType)) {
			return fam.task(f)
		}
	}
	for _, fam := range families {
		if slices.Contains(fam.ModelTypes, f.ModelType) && !fam.OwnClasses {
			return fam.task(f)
		}
	}
	if f.ModelType == "" {
		return nil, 0, f.Refuse(fmt.Sprintf("architecture %q", checkpoint.Abridge(f.Architecture)), "winnow reads "+known((*Family).listed))
	}
	return nil, 0, f.Refuse(fmt.Sprintf("architecture %q of model_type %q", checkpoint.Abridge(f.Architecture), checkpoint.Abridge(f.ModelType)),
		"winnow reads the model types "+known(func(fam *Family) []string { return fam.ModelTypes }))
}

// task is the task of a checkpoint in Hugging Face layout: from its class, from the
// suffix of a class name unknown to the family, or from its tensors.
func (fam *Family) task(f *checkpoint.File) (*Family, Task, error) {
	task, ok := fam.Classes[f.Architecture]
	if !ok && f.Architecture != "" && f.Has(keyCode) {
		return nil, 0, f.Refuse(fmt.Sprintf("architecture %q with code of its own (auto_map)", checkpoint.Abridge(f.Architecture)),
			"whatever it does differently from the other models of its model_type would go unnoticed")
	}
	if !ok {
		switch class := f.Architecture; {
		case strings.HasSuffix(class, "ForSequenceClassification"):
			task, ok = Classify, true
		case strings.HasSuffix(class, "ForCausalLM") && fam.generates():
			task, ok = Generate, true
		case class != "" && !strings.HasSuffix(class, "Model") && !strings.HasSuffix(class, "ForMaskedLM"):
			return nil, 0, f.Refuse(fmt.Sprintf("architecture %q", checkpoint.Abridge(class)), "of this model type winnow reads "+
				known(func(f *Family) []string {
					if f == fam {
						return f.listed()
					}
					return nil
				}))
		case fam.generates():
			task = Generate
		default:
			task = Embed
		}
	}
	if len(f.Sentence.Modules) > 0 {
		switch f.Sentence.Task() {
		case "sequence-classification":
			task = Classify
		case "text-generation":
			if fam.generates() {
				task = Generate
			}
		}
		return fam, task, nil
	}
	for _, name := range []string{"classifier.weight", "classifier.out_proj.weight", "score.weight"} {
		if _, found := f.Tensor(name); found && (task == Embed || !ok) {
			return fam, Classify, nil
		}
	}
	if strings.HasSuffix(f.Architecture, "ForMaskedLM") {
		return nil, 0, f.Refuse(f.Architecture+" without modules.json",
			"this is a language model that was trained to fill gaps, and nothing says how it ranks: winnow reads "+
				strings.TrimSuffix(f.Architecture, "ForMaskedLM")+"ForSequenceClassification, and this class with sentence-transformers modules")
	}
	return fam, task, nil
}

// ggufTask is the task that a GGUF file has tensors for.
func (fam *Family) ggufTask(f *checkpoint.File) Task {
	has := func(name string) bool { _, ok := f.Tensor(name); return ok }
	switch {
	case has("projector.0.weight"):
		return Rank
	case has("cls.output.weight") || has("cls.weight"):
		return Classify
	case fam.generates():
		return Generate
	}
	return Embed
}

// listed are the classes named in errors. A ...ForMaskedLM is only read with a
// modules.json.
func (fam *Family) listed() []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(fam.Classes)), func(class string) bool { return strings.HasSuffix(class, "ForMaskedLM") })
}

// generates reports whether the family has a language model class.
func (fam *Family) generates() bool {
	for _, task := range fam.Classes {
		if task == Generate {
			return true
		}
	}
	return false
}

func findGGUF(f *checkpoint.File) (*Family, Task, error) {
	if f.Architecture == "" {
		return nil, 0, missing(f, "general.architecture", "a string")
	}
	kind, _ := f.Metadata.String("tokenizer.ggml.model")
	for _, name := range []string{f.Architecture + "/" + kind, f.Architecture} {
		for _, fam := range families {
			if slices.Contains(fam.GGUF, name) {
				return fam, fam.ggufTask(f), nil
			}
		}
	}
	return nil, 0, f.Refuse(fmt.Sprintf("general.architecture %q", checkpoint.Abridge(f.Architecture)), "winnow reads "+known(func(fam *Family) []string {
		var names []string
		for _, name := range fam.GGUF {
			name, _, _ = strings.Cut(name, "/")
			names = append(names, name)
		}
		return names
	}))
}

// keyCode refers to Python code shipped with a checkpoint.
var keyCode = checkpoint.Key{HF: "auto_map"}

func missing(f *checkpoint.File, field, want string) error {
	return &fault.FormatError{Path: f.SettingsPath(), Field: field, Offset: -1, Found: "nothing", Want: want}
}

func known(names func(fam *Family) []string) string {
	var list []string
	for _, fam := range families {
		list = append(list, names(fam)...)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
