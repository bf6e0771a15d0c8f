package checkpoint

import "strings"

// Settings that may be ignored, with the reason for each group.

// harmlessNames are settings of config.json that, whatever their value, change nothing
// computed here.
var harmlessNames = wordSet(
	// Only for training.
	`initializer_range initializer_factor initializer_cutoff_factor gradient_checkpointing attn_pdrop embd_pdrop resid_pdrop layerdrop
	dropout dropout_rate seq_classif_dropout qa_dropout attention_dropout label_smoothing sparse_prediction sparse_pred_ignore_index
	repad_logits_with_grad use_xentropy tf_legacy_loss pretraining_tp z_loss router_aux_loss_coef`,
	// Equivalent ways of computing the same.
	`deterministic_flash_attn unpad_inputs use_memory_efficient_attention use_flash_attn fused_bias_fc fused_dropout_add_ln
	reference_compile compile_model chunk_size_feed_forward pack_qkv attn_implementation _attn_implementation
	_attn_implementation_autoset _flash_attn_2_enabled torchscript use_bfloat16 legacy`,
	// Text generation, for which requests have their own settings.
	`use_cache cache_implementation max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty top_k
	top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
	num_return_sequences output_scores return_dict_in_generate remove_invalid_values exponential_decay_length_penalty
	suppress_tokens begin_suppress_tokens prefix task_specific_params output_past`,
	// The form of a Python class's output.
	`return_dict output_hidden_states output_attentions dense_seq_output`,
	// Bookkeeping of the authors, or names of things.
	`_name_or_path name_or_path transformers_version torch_dtype dtype model_type architectures auto_map custom_pipelines
	_commit_hash finetuning_task label2id id2label num_labels _num_labels sentence_transformers sbert_ce_default_activation_function tokenizer_class directionality
	unsloth_version unsloth_fixed matryoshka_dimensions model_max_length license`,
	// Ids of special tokens, which the tokenizer has.
	`bos_token_id eos_token_id pad_token_id cls_token_id sep_token_id mask_token_id unk_token_id decoder_start_token_id
	forced_bos_token_id forced_eos_token_id`,
	// The file's tensors show whether there are biases.
	`attention_bias mlp_bias norm_bias classifier_bias qkv_bias qkv_proj_bias mlp_fc1_bias mlp_fc2_bias decoder_bias`,
	// Pretraining heads, or a pooler that no transformers class reads.
	`pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type emb_pooler
	tie_encoder_decoder cross_attention_hidden_size generator_hidden_size`,
	// Read by language models.
	`tie_word_embeddings`,
)

// harmlessSubstring occurs in the names of many settings that are only for training.
const harmlessSubstring = "dropout"

// harmlessFor are settings that a model_type's classes, a single class or llama.cpp's
// code for an architecture do not read, although their files have them.
var harmlessFor = map[string][]string{
	"albert":          {"net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor"},
	"distilbert":      {"tie_weights_", "sinusoidal_pos_embds", "output_past"},
	"electra":         {"summary_activation", "summary_last_dropout", "summary_type", "summary_use_proj"},
	"bert":            {"embedding_length_input"}, // written for an ELECTRA exported as BERT
	"gemma":           {"hidden_activation"},
	"gemma2":          {"hidden_act"},
	"gemma3_text":     {"hidden_act", "attn_logit_softcapping"},
	"model2vec":       {"tokenizer_name", "apply_pca", "apply_zipf", "sif_coefficient", "hidden_dim", "seq_length", "pooling", "embedding_dtype", "vocabulary_quantization"},
	"modernbert":      {"layer_norm_eps", "position_embedding_type"},
	"nomic_bert":      {"pad_vocab_size_multiple", "max_trained_positions", "summary_type", "summary_use_proj", "summary_proj_to_labels", "causal"},
	"qwen3_vl":        {"vision_config", "image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"},
	"t5":              {"n_positions"},
	"cost_wise_gemma": {"hidden_act", "sliding_window_size"},

	"JinaBertForSequenceClassification": {"hidden_act"},
	"JinaBertModel":                     {"hidden_act"},
	"JinaBertForMaskedLM":               {"hidden_act"},

	"modern-bert": {"attention.causal", "attention.layer_norm_rms_epsilon"},
}

// harmlessValues are settings that change nothing with one of these values, because
// that is what is computed anyway.
var harmlessValues = map[string][]string{
	"is_decoder":                      {"false"},
	"add_cross_attention":             {"false"},
	"is_encoder_decoder":              {"false"},
	"use_bidirectional_attention":     {"false"},
	"use_sliding_window":              {"false"},
	"temperature":                     {"1", "1.0"},
	"is_causal":                       {"true"},
	"pruned_heads":                    {"{}"},
	"position_embedding_type":         {`"absolute"`},
	"layer_norm_type":                 {`"layer_norm"`},
	"logn_attention_scale":            {"false"},
	"logn_attention_clip1":            {"false"},
	"parallel_block":                  {"false"},
	"parallel_block_tied_norm":        {"false"},
	"prenorm":                         {"false"},
	"rotary_emb_interleaved":          {"false"},
	"rotary_emb_fraction":             {"1", "1.0"},
	"use_rms_norm":                    {"false"},
	"scale_attn_by_inverse_layer_idx": {"false"},
	"scale_attn_weights":              {"true"},
	"reorder_and_upcast_attn":         {"false"},
	"quantization_config":             {"{}"},
}

// harmlessPrefixes begin GGUF keys that describe the file, the tokenizer, how the file
// was split and how it was quantized.
var harmlessPrefixes = []string{"general.", "tokenizer.", "split.", "quantize."}

// harmlessKeys are keys, without the architecture, that change nothing.
var harmlessKeys = []string{"rope.scaling.finetuned", "vocab_size", "classifier.output_labels", "pooling_type", "rerank.prompt"}

// wordSet is the set of words in texts.
func wordSet(texts ...string) map[string]bool {
	set := make(map[string]bool)
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			set[word] = true
		}
	}
	return set
}
