// Package checkpoint reads a model's files, a folder in Hugging Face layout or a
// GGUF file, and gives families both in one form: settings and tensors.
//
// Settings are described once, by the tags of a struct; see [File.Read]. The same
// tags write them into a GGUF file; see [Export]. Every setting is accounted for:
// [File.Unread] lists those that nobody has read and that are not known to be
// harmless. Tensors are described by tags, too; see [File.Load].
package checkpoint
