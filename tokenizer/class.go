package tokenizer

import (
	"bytes"
	"slices"
	"strings"
)

// A tokenizerClass is a tokenizer class of the Hugging Face library. For a model
// without tokenizer.json, the class builds the tokenizer from the vocabulary and its
// arguments in tokenizer_config.json. Otherwise the file is used unchanged, except
// where the arguments contradict it or it is incomplete.
type tokenizerClass struct {
	name string
	file string // the vocabulary if there is no tokenizer.json
	kind string // of the model built from file; "" if the file decides

	noTypes bool // all token types are 0 unless model_input_names says otherwise
	// unknownNormal says that the unknown token is matched in normalised text if there
	// is no tokenizer.json.
	unknownNormal bool
	maskStrips    bool // by default the mask token also matches the whitespace before it

	// defaults are the special tokens that apply unless configured otherwise.
	defaults map[string]string // by role: "bos_token" …
	// extra returns the special tokens without a role; configured are those of
	// special_tokens_map.json.
	extra func(c *configuration, configured any) any
	// plainSpecial says that the special tokens are added again without flags.
	plainSpecial bool
	// bpe returns the settings of a BPE model and unknownID the index of the unknown
	// piece of a Unigram model, when these are built from a SentencePiece model.
	bpe       func(c *configuration) bpeOptions
	unknownID func(c *configuration, u *unigram) int64
	// stages sets the normalizer, the pre-tokenizer and the decoder.
	stages func(b *builder)
	// adjust changes the stages of a tokenizer.json to match the arguments.
	adjust func(b *builder)
	// frame sets the special tokens around texts if tokenizer.json has none, or always
	// if reframes is set. If nil, add_bos_token and add_eos_token decide.
	frame    func(b *builder)
	reframes bool
}

// asIs is the class of tokenizers that tokenizer.json defines completely.
var asIs = &tokenizerClass{name: "TokenizersBackend", file: "tokenizer.model"}

// tokenizerClasses are the classes by name; some names are aliases.
var tokenizerClasses = map[string]*tokenizerClass{}

func init() {
	for _, c := range []*tokenizerClass{asIs, bertClass, distilBertClass, mpnetClass, robertaClass, debertaClass, debertaV2Class, albertClass,
		xlmRobertaClass, camembertClass, t5Class, gpt2Class, gptNeoXClass, llamaClass, gemmaClass, qwen2Class, qwen35Class} {
		tokenizerClasses[c.name] = c
	}
	for name, of := range map[string]string{
		"PreTrainedTokenizer": "TokenizersBackend", "PythonBackend": "TokenizersBackend", "BloomTokenizer": "TokenizersBackend",
		"ParakeetTokenizer": "TokenizersBackend",
		"ElectraTokenizer":  "BertTokenizer", "MobileBertTokenizer": "BertTokenizer", "SqueezeBertTokenizer": "BertTokenizer", "LxmertTokenizer": "BertTokenizer",
		"BartTokenizer": "RobertaTokenizer", "LEDTokenizer": "RobertaTokenizer", "LongformerTokenizer": "RobertaTokenizer", "MvpTokenizer": "RobertaTokenizer",
	} {
		tokenizerClasses[name] = tokenizerClasses[of]
	}
}

// pythonClasses are classes of the library that are implemented in Python and never
// read tokenizer.json. Any other unknown name means that tokenizer.json is used
// unchanged.
var pythonClasses = strings.Fields(`
	Bartpho BertGeneration BertJapanese BertTokenizerLegacy Bertweet BioGpt BlenderbotSmall ByT5 CTRL Canine Clvp CpmAnt Cpm Dia Esm FSMT
	FastSpeech2Conformer Flaubert GPTNeoXJapanese GPTSw3 M2M100 Marian Mgpstr MyT5 PLBart Perceiver Phobert ProphetNet Rag RoCBert Siglip
	Speech2Text SpeechT5 Tapas Vits Wav2Vec2CTC Wav2Vec2PhonemeCTC XLM`)

// lookUpClass finds a class by its name, with or without "Fast" at the end. ok is false
// for one that never reads tokenizer.json; c is nil for an unknown one.
func lookUpClass(name string) (c *tokenizerClass, ok bool) {
	name = strings.TrimSuffix(name, "Fast")
	if c := tokenizerClasses[name]; c != nil {
		return c, true
	}
	return nil, !slices.Contains(pythonClasses, strings.TrimSuffix(name, "Tokenizer"))
}

// modelClasses are the library's classes by model type, limited to models that rank,
// embed or complete text.
var modelClasses = map[string]string{
	"albert": "AlbertTokenizer", "bart": "RobertaTokenizer", "bert": "BertTokenizer", "bert-japanese": "BertJapaneseTokenizer", "bertweet": "BertweetTokenizer",
	"big_bird": "BigBirdTokenizer", "camembert": "CamembertTokenizer", "convbert": "BertTokenizer", "data2vec-text": "RobertaTokenizer",
	"deberta": "DebertaTokenizer", "deberta-v2": "DebertaV2Tokenizer", "distilbert": "BertTokenizer", "electra": "BertTokenizer", "ernie": "BertTokenizer",
	"esm": "EsmTokenizer", "falcon_mamba": "GPTNeoXTokenizer", "flex_olmo": "TokenizersBackend", "funnel": "FunnelTokenizer", "gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer",
	"gemma3": "GemmaTokenizer", "gemma3_text": "GemmaTokenizer", "gemma3n": "GemmaTokenizer", "gemma3n_text": "GemmaTokenizer",
	"glm": "TokenizersBackend", "glm4": "TokenizersBackend", "gpt2": "GPT2Tokenizer", "gpt_bigcode": "TokenizersBackend", "gpt_neo": "GPT2Tokenizer",
	"gpt_neox": "GPTNeoXTokenizer", "gptj": "GPT2Tokenizer", "granite": "TokenizersBackend", "granitemoe": "TokenizersBackend", "granitemoehybrid": "TokenizersBackend",
	"gte": "XLMRobertaTokenizer", "ibert": "RobertaTokenizer", "jina_embeddings_v3": "XLMRobertaTokenizer", "layoutlm": "BertTokenizer", "led": "LEDTokenizer", "lilt": "RobertaTokenizer",
	"longformer": "RobertaTokenizer", "mega": "RobertaTokenizer", "megatron-bert": "BertTokenizer", "ministral": mistralClass, "ministral3": mistralClass,
	"mistral": mistralClass, "mistral3": mistralClass, "mixtral": mistralClass, "mobilebert": "MobileBertTokenizer", "mpnet": "MPNetTokenizer",
	"mpt": "GPTNeoXTokenizer", "mra": "RobertaTokenizer", "mt5": "T5Tokenizer", "nezha": "BertTokenizer", "nomic_bert": "BertTokenizer", "nystromformer": "TokenizersBackend",
	"olmo": "GPTNeoXTokenizer", "olmo2": "TokenizersBackend", "olmo3": "TokenizersBackend", "olmoe": "GPTNeoXTokenizer", "opt": "GPT2Tokenizer", "phi": "GPT2Tokenizer",
	"phobert": "PhobertTokenizer", "qdqbert": "BertTokenizer", "qwen2": "Qwen2Tokenizer", "qwen2_5_vl": "Qwen2Tokenizer", "qwen2_moe": "Qwen2Tokenizer", "qwen2_vl": "Qwen2Tokenizer",
	"qwen3": "Qwen2Tokenizer", "qwen3_5": "Qwen3_5Tokenizer", "qwen3_5_moe": "Qwen3_5Tokenizer", "qwen3_5_moe_text": "Qwen3_5Tokenizer", "qwen3_5_text": "Qwen3_5Tokenizer",
	"qwen3_moe": "Qwen2Tokenizer", "qwen3_next": "Qwen2Tokenizer", "qwen3_vl": "Qwen2Tokenizer", "qwen3_vl_moe": "Qwen2Tokenizer", "realm": "BertTokenizer",
	"recurrent_gemma": "GemmaTokenizer", "rembert": "RemBertTokenizer", "retribert": "BertTokenizer", "roberta": "RobertaTokenizer", "roberta-prelayernorm": "RobertaTokenizer",
	"roc_bert": "RoCBertTokenizer", "roformer": "RoFormerTokenizer", "rwkv": "GPTNeoXTokenizer", "shieldgemma2": "GemmaTokenizer", "squeezebert": "BertTokenizer",
	"stablelm": "TokenizersBackend", "starcoder2": "GPT2Tokenizer", "switch_transformers": "T5Tokenizer", "t5": "T5Tokenizer", "t5gemma": "GemmaTokenizer",
	"umt5": "TokenizersBackend", "xlm-roberta": "XLMRobertaTokenizer", "xlm-roberta-xl": "TokenizersBackend", "xlnet": "XLNetTokenizer", "xmod": "XLMRobertaTokenizer",
	"yoso": "AlbertTokenizer",
}

// mistralClass marks the models whose tokenizer.json is used unchanged if Mistral's own
// library is not installed.
const mistralClass = "MistralCommonBackend"

// misnamed are the model types whose published tokenizer_class the library ignores.
// Those without an entry in modelClasses use tokenizer.json unchanged.
var misnamed = strings.Fields(`
	arctic chatlm ernie4_5 ernie4_5_moe fuyu h2ovl_chat hyperclovax hyperclovax_vlm hyperclovax_vision_v2 internlm2 internlm3 iquestcoder
	jamba llava llava_next minicpm3 minicpmv minimax_m2 modernbert modernbert-decoder molmo molmo2 nemotron nvfp4 opencua openvla
	paddleocr_vl phi3 phi3_v phimoe qwen2 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen4_exp step3_vl vipllava cohere_asr camembertv2-base
	siglip2 smolvlm`)

// className returns the class that the library chooses for the files of a model, or ""
// if they do not name one.
func (c *configuration) className(file []byte) string {
	declared, _ := c.config["tokenizer_class"].(string)
	if declared == "" {
		declared = c.modelClass
	}
	registered := modelClasses[c.modelType]
	believed := !slices.Contains(misnamed, c.modelType)
	if registered == "" && !believed {
		registered = asIs.name
	}
	if declared == "" {
		if c.modelType != "" && registered == "" || registered == mistralClass {
			return asIs.name
		}
		return registered
	}
	plain := strings.TrimSuffix(declared, "Fast")
	if c.customCode() != "" {
		return plain
	}
	// Llama 3 declares LlamaTokenizer, which is not byte-level.
	if plain == "LlamaTokenizer" && registered != mistralClass && believed && bytes.Contains(file, []byte(`"ByteLevel"`)) {
		return asIs.name
	}
	switch {
	case registered == "" || strings.TrimSuffix(registered, "Fast") == plain:
		return plain
	case registered == asIs.name || registered == mistralClass:
		return asIs.name
	case !believed:
		return registered
	}
	return plain
}

// customCode returns the class in the model's own code that the configuration names.
func (c *configuration) customCode() string {
	switch v := c.config["auto_map"].(type) {
	case []any:
		return lastString(v)
	case map[string]any:
		switch v := v["AutoTokenizer"].(type) {
		case []any:
			return lastString(v)
		case string:
			return v
		}
	}
	return ""
}

func lastString(list []any) string {
	for _, v := range slices.Backward(list) {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return ""
}
