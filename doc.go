// Package winnow ranks documents by their relevance to a query with a cross-encoder or
// another reranking model, on the CPU, in pure Go.
//
//	m, err := winnow.Open("path/to/model")
//	if err != nil { … }
//	defer m.Close()
//	ranked, err := m.Rerank(ctx, "What is deep learning?", documents, winnow.TopN(3))
//
// Open takes a GGUF file or a directory in Hugging Face layout (config.json,
// tokenizer.json or its predecessors, *.safetensors). A Model is safe for concurrent use.
// Depending on its tasks (see Info.Tasks) a model also embeds texts and generates text.
// Calls stop when their context is done, with an error that wraps the context's.
//
// # Scores
//
// A score is a probability in [0,1]: the sigmoid of the model's logit or, for a model
// with two labels, the softmax of the relevant label, whatever activation config.json
// names. (The score of jina-reranker-v3 is a cosine in [-1,1], as its authors define it;
// Info.Activation distinguishes the two.) With RawScores the score is the logit.
// Documents are ranked by logit, so scores that round to 1 keep their order; ties keep
// the order of the input.
//
// The same pair gets the same score, bit for bit, whatever else is scored with it and
// however many threads run. (A listwise model's score depends on its list.)
//
// # Compatibility
//
// This package and package server follow semantic versioning: programs that use them
// continue to work until the next major version. The other packages of this module
// (engine, gguf, hub, kernels, models, quant, safetensors, tokenizer) can be imported,
// but may change with any minor version.
package winnow
