// Package engine is what a transformer does for a reranker: it opens a model,
// encodes texts as tokens, takes them through the network in batches and turns the
// last hidden states into scores, vectors or text.
//
// A Model is a trunk (one of the families in internal/family, loaded by
// internal/checkpoint, computed by internal/compute), a tokenizer, and the tasks
// that the checkpoint is for, a file each:
//
//	pair.go      a classifier scores query and document, joined by the tokenizer
//	prompt.go    a causal model is asked about them in its authors' words
//	listwise.go  one prompt holds all documents (jina-reranker-v3)
//	late.go      late interaction: vectors of tokens, compared (ColBERT)
//	embed.go     a vector of each text; by their cosine, if it is asked for, a score
//	complete.go  a language model continues a text
package engine
