// Package safetensors reads safetensors files, the format of models on the Hugging Face
// hub: a JSON table of names, types, shapes and offsets, then the data.
//
// A model is one file, or several with an index, model.safetensors.index.json, that
// maps tensors to files. Files are mapped into memory: Open reads only the tables, and
// tensors are views into the map.
//
// Files are assumed to be hostile. The table must conform to the format: no byte of the
// data unused or used twice, no duplicate names, all sizes and offsets consistent. A
// malformed file is reported with an error that names the file, the tensor and the
// numbers (errors.Is: fault.ErrFormat). Open needs at most some tens of megabytes in
// addition to the file.
//
// The format is specified at https://github.com/huggingface/safetensors.
package safetensors
