// Package checkpoint reads model files, a folder in Hugging Face layout or a GGUF file,
// and presents both to families in one form: settings and tensors.
//
// Settings are described by the tags of a struct; see [File.Read]. The same tags write
// them into a GGUF file; see [Export]. Every setting is accounted for: [File.Unread]
// lists those that have not been read and are not known to be harmless. Tensors are
// described by tags, too; see [File.Load].
package checkpoint
