// Package compute is what a transformer's forward pass is written in: batches of
// sequences, the workers and their memory, linear layers, norms, attention, rotary
// positions, pooling and KV caches.
//
// A family of models writes one block of its transformer as a Layer and calls
// [Context.Layers]; everything about cores, blocks of rows and memory is here. It
// knows nothing of model files and nothing of what an output means.
//
// Every number that is computed depends on its own sequence only: not on the rest of
// the batch, nor on how an operation is divided between workers, nor on which other
// rows were asked for, nor on whether a beginning was read now or before. The same
// bits come out.
package compute
