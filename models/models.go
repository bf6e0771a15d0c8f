// Package models holds the model that is built into the winnow command:
// ms-marco-MiniLM-L12-v2, a cross-encoder for English, with 8-bit weights.
// NOTICE tells where it comes from.
//
// The build tag nomodel leaves it out.
package models

// Name is what the built-in model is called.
const Name = "ms-marco-MiniLM-L12-v2"

// Default is the built-in model as a GGUF file, or nil if it was left out. It
// must not be changed.
func Default() []byte { return data() }
