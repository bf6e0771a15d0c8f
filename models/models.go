package models

// Name is what the built-in model is called.
const Name = "ms-marco-MiniLM-L12-v2"

// Default is the built-in model as a GGUF file, or nil if it was left out. It
// must not be changed.
func Default() []byte { return data() }
