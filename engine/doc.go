// Package engine runs transformers for a reranker: it opens a model, encodes texts as
// tokens, takes them through the network in batches and turns the last hidden states into
// scores, vectors or text.
//
// A Model is a backbone (the trunk of one of the families in internal/family, loaded by
// internal/checkpoint and computed by internal/compute, with its tokenizer) and the tasks
// that its checkpoint was trained for. Each file needs only files further down this list:
//
//	convert.go                     a model as a GGUF file
//	model.go                       Open, and what a Model can do
//	plan.go                        which task a checkpoint is for:
//	classify.go causal.go chain.go a classifier, a language model, modules of sentence-transformers
//	wording.go                     how a causal model is given a query and a document
//	pair.go prompt.go chat.go      rankers: the bare pair, a prompt, messages in a chat template
//	listwise.go late.go cosine.go  rankers: one prompt for all documents, late interaction, cosine of vectors
//	embed.go complete.go           vectors of texts; continued texts
//	scorer.go                      hidden states → logits → score
//	prefill.go                     prompts that begin alike, and their KV cache
//	encode.go backbone.go          texts → tokens → hidden states
//	task.go sequence.go …          the interfaces and types that all of these share
package engine
