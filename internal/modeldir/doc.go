// Package modeldir says what a path on disk holds before a model is read from
// it: a GGUF file, a folder in Hugging Face layout, or something that only looks
// like one — a checkout without its Git LFS files, a folder of ONNX files, an
// empty folder — and then what to do about it.
package modeldir
