// Package engine runs transformer models for reranking: it opens a model, tokenizes
// texts, takes them through the network in batches and turns the last hidden states into
// scores, vectors or text.
//
// A Model consists of a backbone (the trunk of one of the families in internal/family,
// loaded by internal/checkpoint and computed by internal/compute, with its tokenizer) and
// the tasks that its checkpoint was trained for. Each file depends only on files further
// down this list:
//
//	convert.go                     conversion to GGUF
//	model.go                       Open and the methods of Model
//	plan.go                        choice of the tasks of a checkpoint:
//	classify.go causal.go chain.go classifier, language model, modules of sentence-transformers
//	inputformat.go                 choice of a causal model's input format
//	pair.go prompt.go chat.go      rankers: bare pair, prompt, messages in a chat template
//	listwise.go late.go cosine.go  rankers: one prompt for all documents, late interaction, cosine of vectors
//	embed.go complete.go           embedding, text completion
//	scorer.go                      hidden states → logits → score
//	prefill.go                     shared prefixes of prompts and their KV caches
//	encode.go backbone.go          texts → tokens → hidden states
//	task.go sequence.go …          shared interfaces and types
package engine
