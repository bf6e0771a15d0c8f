// Package compute holds the building blocks of a transformer's forward pass: batches of
// sequences, workers and their memory, linear layers, norms, attention, rotary
// embeddings, pooling and KV caches.
//
// A model family writes one block of its transformer as a Layer and calls
// [Context.Layers]; cores, blocks of rows and memory are handled here. The package
// knows nothing about model files or about what an output means.
//
// Every result depends only on its own sequence: not on the rest of the batch, nor on
// how an operation is divided between workers, nor on whether a prefix was read now or earlier. The bits are the same.
// A row of the last layer may differ between requests for all rows and for a few; see
// Attention.Coarse.
package compute
