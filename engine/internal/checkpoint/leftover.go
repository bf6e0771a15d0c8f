package checkpoint

import "strings"

// Tensors that the authors' libraries ignore when no part of the model uses them are
// ignored here, too.

// leftoverPrefixes begin, after the model's name, the names of heads left over from
// pretraining or a training loss.
var leftoverPrefixes = []string{
	"cls.", "lm_head.", "lm_predictions.", "mask_predictions.", "predictions.", "mlm.", "qa_outputs.", // language model heads
	"pooler.", "head.", "decoder.", "pre_classifier.", "sop_classifier.", "nsp.", // and the layers before them
	"vocab_transform.", "vocab_layer_norm.", "vocab_projector.",
	"generator_", "discriminator_",
	"loss.", "loss_fct.", "loss_fn.", "criterion.", "log_vars", "logit_scale",
}

// leftoverSuffixes end the names of buffers that are computed anyway.
var leftoverSuffixes = []string{
	"position_ids", "token_type_ids", "inv_freq", "cos_cached", "sin_cached", "attn.bias", "attn.masked_bias", "attention.bias", "attention.masked_bias",
	"relative_position_ids", "num_batches_tracked",
}

// leftoverGGUF are the same in GGUF files.
var leftoverGGUF = []string{frequencyDivisors, "rope_factors_long.weight", "rope_factors_short.weight"}

// modelNames are transformers' prefixes of the names of a class's encoder.
var modelNames = []string{"bert.", "roberta.", "electra.", "distilbert.", "deberta.", "albert.", "mpnet.", "ernie.", "new.", "transformer.", "model."}

// leftover reports whether an unused tensor may be ignored.
func (f *File) leftover(name string) bool {
	if f.IsGGUF() {
		for _, known := range leftoverGGUF {
			if name == known {
				return true
			}
		}
		return strings.HasSuffix(name, ".attn_rot_embd.weight") || strings.HasSuffix(name, ".rope_freqs.weight")
	}
	if strings.Contains(name, "rotary_emb.") {
		return true
	}
	for _, end := range leftoverSuffixes {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	name = f.bare(name)
	for _, model := range modelNames {
		if rest, ok := strings.CutPrefix(name, model); ok {
			name = rest
			break
		}
	}
	for _, start := range leftoverPrefixes {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}
