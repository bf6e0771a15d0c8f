// Package family has one file per family of transformers. A file declares, as structs
// with tags, the settings and tensors in a family's checkpoints in either format, and
// computes the forward pass using package compute; the equations above each struct are
// the paper's.
//
// A family is registered under its names in config.json and GGUF files; see Family.
// Nothing here depends on instruction sets, goroutines or file layouts.
package family
