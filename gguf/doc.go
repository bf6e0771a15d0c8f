// Package gguf reads and writes GGUF, the model file of GGML and llama.cpp: a
// table of typed metadata, a table of tensors, and their data.
//
// The reader takes versions 2 and 3, little-endian, and models split over
// several files (NAME-00001-of-00003.gguf). Files are mapped into memory: Open
// reads the tables only, and tensors are views into the map.
//
// Files are taken to be hostile. Each length, count and offset is checked
// against what is left of the file before it is used; a file that breaks the
// format gives an error that names the file, the field, its offset and the
// numbers (errors.Is: fault.ErrFormat), one that asks for a tensor type that
// winnow does not know gives fault.ErrUnsupported. Open needs at most some tens
// of megabytes above the file itself.
//
// The format is specified at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
package gguf
