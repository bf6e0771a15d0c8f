// Package winnow ranks documents by their relevance to a query with a
// cross-encoder or another reranking model, on the CPU, in pure Go.
//
//	m, err := winnow.Open("path/to/model")
//	if err != nil { … }
//	defer m.Close()
//	ranked, err := m.Rerank(ctx, "What is deep learning?", documents, winnow.TopN(3))
//
// Open takes a GGUF file or a directory in Hugging Face layout (config.json,
// tokenizer.json or its predecessors, *.safetensors). A Model is safe for
// concurrent use.
//
// # Scores
//
// A score is a probability in [0,1]: the sigmoid of the model's logit, or for a
// model with two labels the softmax of the relevant one, whatever activation
// config.json names. (Of jina-reranker-v3 it is a cosine, in [-1,1], as its authors
// have it; Info.Activation says which it is.) RawScores gives the logit instead.
// Ranking is by the logit, so that scores that round to 1 keep their order; ties keep
// the order of the input.
//
// The same pair gets the same score, bit for bit, whatever it is scored with,
// and however many threads run. (A listwise model's score depends on its list.)
//
// # What is promised
//
// This package and package server keep to semantic versioning: what a program uses of
// them goes on working until the next major version. The other packages of this module
// (engine, gguf, hub, kernels, models, quant, safetensors, tokenizer) can be imported,
// but change with any minor version.
package winnow
