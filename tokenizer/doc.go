// Package tokenizer turns text into the token ids that a model was trained on,
// and ids back into text.
//
// A tokenizer is read from the files of a model:
//
//   - FromJSON: tokenizer.json, the format of Hugging Face's tokenizers library,
//     with WordPiece, Unigram and BPE models and their normalizers,
//     pre-tokenizers, post-processors and decoders;
//   - FromDir: a directory with tokenizer.json, or with the older vocab.txt,
//     sentencepiece.bpe.model, spm.model, spiece.model, tokenizer.model, or
//     vocab.json and merges.txt, and with tokenizer_config.json and related
//     files, interpreted like the library's tokenizer classes
//     (docs/tokenizers.md);
//   - FromGGUF: the metadata of a GGUF file (tokenizer.ggml.model bert, t5, gpt2
//     or llama).
//
// For any text, the ids equal those of the Hugging Face library (tokenizers
// 0.23), with which the models were trained and published. Its Unicode tables
// differ from Go's in version, so the package has its own (unidata_tables.go),
// and a regular expression engine with Oniguruma's semantics; the patterns of
// well-known tokenizers have hand-written scanners.
//
// # Stages
//
// Added tokens ("[SEP]", "<|im_end|>") are matched first; the rest is
// normalized, split into words, and each word into pieces of the vocabulary.
// Encode and EncodePair then add the special tokens of one text or two and
// truncate the result. A query is tokenized once and joined with each document
// by Pair:
//
//	q, err := tok.Tokens(nil, query)
//	for _, d := range documents {
//		doc, err = tok.Tokens(doc[:0], d)
//		err = tok.Pair(&e, q, doc, 512, tokenizer.OnlySecond)
//		// e.IDs, e.Types
//	}
//
// A Tokenizer is safe for concurrent use. It allocates nothing if the caller
// passes the same slices and the same Encoding again.
//
// # Errors
//
// Files are assumed to be hostile: no input causes a panic or uses memory out of
// proportion to its size. A malformed file causes an error that names the file,
// the field and its content (errors.Is: fault.ErrFormat); an unknown component
// causes fault.ErrUnsupported with its name. Some faults only show on a text,
// such as a regular expression that takes too long or a normalizer that expands
// the text too far: they cause ErrTooMuch, for that text only.
package tokenizer
