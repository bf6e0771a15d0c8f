// Package safetensors reads safetensors files, the format in which models are
// published on the Hugging Face hub: a JSON table of names, types, shapes and
// offsets, then the data.
//
// A model may be one file or several, with model.safetensors.index.json telling
// which tensor is in which. Files are mapped into memory: Open reads the tables
// only, and tensors are views into the map.
//
// Files are taken to be hostile. The table must be as the format says: no byte of
// the data unused or used twice, no name twice, all sizes and offsets in
// agreement. A file that breaks a rule gives an error that names the file, the
// tensor and the numbers (errors.Is: fault.ErrFormat). Open needs at most some
// tens of megabytes above the file itself.
//
// The format is specified at https://github.com/huggingface/safetensors.
package safetensors
