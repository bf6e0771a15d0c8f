package server

import (
	"cmp"
	"math"
	"math/rand/v2"
)

// withoutSampling are the options of llama.cpp that winnow does not implement, with the
// values that disable them.
var withoutSampling = map[string][]float64{
	"mirostat": {0}, "repeat_penalty": {1}, "presence_penalty": {0}, "frequency_penalty": {0}, "dry_multiplier": {0},
	"xtc_probability": {0}, "typical_p": {1}, "top_n_sigma": {0, -1}, "dynatemp_range": {0}, "n": {1}, "n_cmpl": {1}, "best_of": {1},
	"n_indent": {0}, "t_max_predict_ms": {-1, 0}, "t_max_prompt_ms": {-1, 0},
}

// read reads the options of a request.
func (a *completion) read(all fields) error {
	f := &reader{fields: all}
	a.asked = cmp.Or(f.str("model"), a.name)
	refuseOptions(f)
	a.sampling(f)
	a.tokens = f.boolean("return_tokens", false)
	a.stream = f.boolean("stream", false)
	if options, ok := jsonObject(all["stream_options"]); ok && a.dialect.envelope != nil {
		o := reader{fields: options}
		a.usage = o.boolean("include_usage", false)
		f.fail(o.err)
	}
	if f.has("response_fields") && a.dialect.envelope == nil && string(all["response_fields"]) != "[]" && f.err == nil {
		a.only, f.err = f.texts("response_fields", maxFields)
	}
	if f.has("stop") && string(all["stop"]) != "[]" {
		const maxStops = 64
		a.options.Stop = f.textOrTexts("stop", maxStops)
	}
	return f.err
}

// refuseOptions rejects options that winnow does not implement, unless they are off.
func refuseOptions(f *reader) {
	const leaveOut = ": this option is not supported; omit it"
	for name, off := range withoutSampling {
		if v := f.number(name, math.Inf(-1), math.Inf(1), off[0]); v != off[0] && v != off[len(off)-1] {
			f.fail(invalid("%q is %v"+leaveOut, name, v))
		}
	}
	if f.boolean("post_sampling_probs", false) {
		f.fail(invalid("%q"+leaveOut, "post_sampling_probs"))
	}
	for _, name := range []string{"grammar", "json_schema", "logit_bias", "lora"} {
		if v := string(f.fields[name]); f.has(name) && v != `""` && v != "[]" && v != "{}" {
			f.fail(invalid("%q"+leaveOut, name))
		}
	}
}

// maxProbs bounds the probabilities reported for a step.
const maxProbs = 10000

// sampling reads how tokens are chosen.
func (a *completion) sampling(f *reader) {
	o, d := &a.options, a.server.options.Sampling
	o.MaxTokens = f.integer(f.first("n_predict", "max_completion_tokens", "max_tokens"), -1, d.MaxTokens)
	o.Temperature = f.number("temperature", 0, math.Inf(1), d.Temperature)
	o.TopK = f.integer("top_k", math.MinInt32, d.TopK)
	if o.TopP = f.number("top_p", 0, 1, d.TopP); o.TopP == 0 {
		o.TopP = math.SmallestNonzeroFloat64 // only the most probable token
	}
	o.MinP = f.number("min_p", 0, 1, d.MinP)
	if a.seed = int64(f.number("seed", -1, 1<<53, float64(d.Seed))); a.seed == -1 || a.seed == math.MaxUint32 {
		a.seed = int64(rand.Uint32())
	}
	o.Seed = uint64(a.seed)
	if a.dialect.probs != nil {
		o.Probs = a.dialect.probs(f)
	} else {
		o.Probs = f.integer(f.first("n_probs", "logprobs"), 0, 0)
	}
	o.Probs = min(o.Probs, maxProbs)
	o.IgnoreEnd = f.boolean("ignore_eos", d.IgnoreEnd)
	o.NoCache = !f.boolean("cache_prompt", true)
}
