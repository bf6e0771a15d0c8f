// Package modeldir determines what a path contains before a model is read from it: a
// GGUF file, a folder in Hugging Face layout, or something that only resembles one — a
// checkout without its Git LFS files, a folder of ONNX files, an empty folder — and
// suggests what to do about it.
package modeldir
