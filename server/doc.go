// Package server answers HTTP requests with a reranking model, in the dialects
// of llama.cpp's server, Jina, Cohere, Hugging Face text-embeddings-inference,
// vLLM, Mixedbread, Voyage and Isaacus.
//
// A file per dialect turns a request's JSON into a ranking (rank.go) and the
// scores into the JSON that the dialect's clients read. Between them stands one
// scheduler a model (scheduler.go), which cuts requests into pieces of bounded
// size and lets those of different requests share a batch.
package server
