// Package gguf reads and writes GGUF, the model format of GGML and llama.cpp: a table of
// typed metadata, a table of tensors, and their data.
//
// The reader supports versions 2 and 3, little-endian, and models split into several files
// (NAME-00001-of-00003.gguf). Files are mapped into memory: Open reads only the tables, and
// tensors are views into the map.
//
// Files are assumed to be hostile. Each length, count and offset is checked against the
// rest of the file before use. A malformed file is reported with an error that names
// the file, the field, its offset and the numbers (errors.Is: fault.ErrFormat), an
// unknown tensor type with fault.ErrUnsupported. Open needs at most some tens of
// megabytes in addition to the file.
//
// The format is specified at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
package gguf
