package checkpoint

import (
	"slices"
	"strconv"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// How sentence_bert_config.json says that the transformer is made and called: arguments
// of its Python class, most of which change nothing here. Those that do are computed,
// or refused by name.

// argumentNames are the names that a group of arguments has had.
type argumentNames [2]string

var (
	modelArguments     = argumentNames{"model_kwargs", "model_args"}
	processorArguments = argumentNames{"processor_kwargs", "tokenizer_args"}
	configArguments    = argumentNames{"config_kwargs", "config_args"}
)

// in returns the arguments and the name they are under.
func (names argumentNames) in(encoder *Object) (*Object, string) {
	for _, name := range names {
		if o := encoder.Object(name); o != nil {
			return o, name
		}
	}
	return nil, ""
}

var (
	// hubArguments say from where and how files are loaded.
	hubArguments = wordSet(`trust_remote_code code_revision revision token use_auth_token cache_dir local_files_only force_download subfolder proxies
		resume_download local_dir use_safetensors low_cpu_mem_usage device_map weights_only`)
	// harmlessModelArguments are number types and equivalent ways of computing.
	harmlessModelArguments = wordSet(`torch_dtype dtype attn_implementation add_pooling_layer use_memory_efficient_attention unpad_inputs variant
		output_loading_info offload_folder max_memory tp_plan`)
	// harmlessProcessorArguments are about padding, which is not used here.
	harmlessProcessorArguments = wordSet(`use_fast padding_side pad_to_multiple_of legacy clean_up_tokenization_spaces chat_template model_max_length`)
	// harmlessCallArguments are the same for calls.
	harmlessCallArguments = wordSet(`padding padding_side pad_to_multiple_of return_tensors return_attention_mask return_offsets_mapping
		return_special_tokens_mask return_length verbose max_length`)
)

// arguments refuses arguments in sentence_bert_config.json that are neither known to be
// harmless nor read.
func (m *SentenceModel) arguments() error {
	for _, part := range []struct {
		names    argumentNames
		harmless map[string]bool
	}{{modelArguments, harmlessModelArguments}, {processorArguments, harmlessProcessorArguments}} {
		o, of := part.names.in(m.Encoder)
		for _, name := range o.Names() {
			if o.Has(name) && !hubArguments[name] && !part.harmless[name] {
				return m.refuseEncoder(of+"."+name, o, name)
			}
		}
	}
	processing := m.Encoder.Object("processing_kwargs")
	for _, part := range []string{"common", "text", "chat_template"} {
		o := processing.Object(part)
		for _, name := range o.Names() {
			if !harmlessArgument(part, name, o) {
				return m.refuseEncoder("processing_kwargs."+part+"."+name, o, name)
			}
		}
	}
	for _, name := range []string{"image", "audio", "video"} {
		processing.Object(name).account()
	}
	return m.outputs()
}

// harmlessArgument reports whether an argument of calls to the tokenizer or the chat
// template changes nothing or is read elsewhere.
func harmlessArgument(part, name string, o *Object) bool {
	on, isBool := o.Bool(name)
	how, _ := o.String(name)
	switch {
	case !o.Has(name):
		return true
	case part == "chat_template":
		switch name {
		case "restore_suffix":
			return on
		case "max_length", "return_tensors", "return_dict", "tokenize":
			return false
		case "truncation":
			return on
		}
		return true // a template variable
	case name == "truncation":
		return on || how == "longest_first"
	case name == "add_special_tokens", name == "return_token_type_ids":
		return on
	case name == "return_overflowing_tokens", name == "split_special_tokens", name == "is_split_into_words":
		return isBool && !on
	case name == "stride":
		n, _ := o.Int(name)
		return n == 0
	}
	return harmlessCallArguments[name]
}

// outputs refuses transformer outputs other than the last layer's hidden states or the
// head's logits.
func (m *SentenceModel) outputs() error {
	modalities := m.Encoder.Object("modality_config")
	if modalities == nil {
		return nil
	}
	for _, modality := range []string{"text", "message"} {
		o, field := modalities.Object(modality), "modality_config."+modality+"."
		if how, ok := o.String("method"); ok && how != "forward" {
			return m.refuseEncoder(field+"method", o, "method")
		}
		const output = "method_output_name"
		names, ok := o.Texts(output)
		if want := "last_hidden_state"; o.Has(output) && (!ok || len(names) != 1 || names[0] != want && names[0] != "logits") {
			return m.refuseEncoder(field+output, o, output)
		}
		o.Has("format") // MessageFormat reads it if it matters
	}
	if name, ok := m.Encoder.String("module_output_name"); ok && !slices.Contains([]string{tokenStates, sentenceVector, scoreOutput, "causal_logits"}, name) {
		return m.refuseEncoder("module_output_name", m.Encoder, "module_output_name")
	}
	return nil
}

// Module names for inputs and outputs.
const (
	tokenStates    = "token_embeddings"
	sentenceVector = "sentence_embedding"
	scoreOutput    = "scores"
)

func (m *SentenceModel) refuseEncoder(field string, o *Object, name string) error {
	return &fault.UnsupportedError{Path: o.path, What: field + " " + o.Kind(name)}
}

// override replaces settings of config.json by sentence_bert_config.json's arguments
// for the configuration.
func (m *SentenceModel) override(config *Object) {
	o, _ := configArguments.in(m.Encoder)
	for _, name := range o.Names() {
		if v := o.value(name); !hubArguments[name] {
			config.members[name] = v
		}
	}
}

// sequenceLimit is the maximum sequence length by these files, 0 if they do not say:
// call arguments take precedence over the tokenizer's, and those over max_seq_length.
// name is that of the setting.
func (m *SentenceModel) sequenceLimit() (n int64, name string, v *Object, ok bool) {
	if m == nil {
		return 0, "", nil, true
	}
	processing := m.Encoder.Object("processing_kwargs")
	processor, _ := processorArguments.in(m.Encoder)
	for _, of := range []struct {
		o    *Object
		name string
	}{{processing.Object("text"), "max_length"}, {processing.Object("common"), "max_length"}, {processor, "model_max_length"}, {m.Encoder, maxSequence}} {
		if of.o.Has(of.name) {
			n, ok := of.o.Int(of.name)
			return n, of.name, of.o, ok && n > 0
		}
	}
	return 0, "", nil, true
}

// unread are the settings in sentence-transformers' files that have not been read, each
// preceded by its file's name.
func (m *SentenceModel) unread() []string {
	if m == nil {
		return nil
	}
	var names []string
	add := func(file string, o *Object, harmless map[string]bool) {
		for _, name := range o.unread() {
			if !harmless[name] {
				names = append(names, file+": "+name)
			}
		}
	}
	add("config_sentence_transformers.json", m.Settings, harmlessOwn)
	add("sentence_bert_config.json", m.Encoder, harmlessEncoder)
	for i := range m.Modules {
		if e := &m.Modules[i]; i > 0 && e.Config != nil {
			add(strconv.Itoa(i)+"_"+e.Class+"/config.json", e.Config, harmlessModule)
		}
	}
	return names
}

// Settings of these files that change nothing computed here.
var (
	// Bookkeeping, vector similarity, default activations, and tasks not used here.
	harmlessOwn = wordSet(`__version__ model_type similarity_fn_name truncate_dim activation_fn keep_in_fp32_modules prompts default_prompt_name
		query_length document_length query_prefix document_prefix attend_to_expansion_tokens do_query_expansion skiplist_words`)
	harmlessEncoder = wordSet(`transformer_task modality_config module_output_name unpad_inputs query_length document_length query_expansion
		max_seq_length do_lower_case `)
	harmlessModule = wordSet(`dropout include_prompt module_input_name module_output_name input_dim skiplist_words`)
)
