// Package server answers HTTP requests with a reranking model, in the dialects of
// llama.cpp's server, Jina, Cohere, Hugging Face text-embeddings-inference, vLLM,
// Mixedbread, Voyage, Isaacus and others. Models that embed or generate text do so too.
//
// Each dialect is a value that reads a request's JSON and writes the reply that its
// clients expect; routes.go lists the routes. Between the two, a call (call.go) uses the
// model in turns granted by its scheduler (scheduler.go), which cuts requests into pieces
// of bounded size and lets pieces of different requests share a batch.
package server
