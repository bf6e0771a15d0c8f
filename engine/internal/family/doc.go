// Package family has one file for each family of transformers. A file states, as
// structs with tags, the settings and the tensors that a family's checkpoints hold
// in either format, and computes its forward pass in the terms of package compute;
// the equations above each struct are those of the paper.
//
// A family is registered with the names that config.json and GGUF files have for
// it; see Family. Nothing here knows of instruction sets, goroutines, or how files
// are laid out.
package family
