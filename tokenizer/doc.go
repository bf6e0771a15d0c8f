// Package tokenizer turns text into the token ids that a model was trained on,
// and ids back into text.
//
// A tokenizer is read from what a model comes with:
//
//   - FromJSON: tokenizer.json, the format of Hugging Face's tokenizers library,
//     with the models WordPiece, Unigram and BPE and the normalizers,
//     pre-tokenizers, post-processors and decoders that go with them;
//   - FromDir: a directory with tokenizer.json, or with the older vocab.txt,
//     sentencepiece.bpe.model, spm.model, spiece.model, tokenizer.model, or
//     vocab.json and merges.txt, and with tokenizer_config.json and its kin,
//     which say as much as the library's tokenizer classes make of them
//     (docs/tokenizers.md);
//   - FromGGUF: the metadata of a GGUF file (tokenizer.ggml.model bert, t5, gpt2
//     or llama).
//
// The ids are those of the Hugging Face library (tokenizers 0.23), for any text:
// it is the program that the models were trained and published with. Its
// Unicode tables are of other ages than Go's, so the package brings its own
// (unidata_tables.go), and a regular expression engine with Oniguruma's
// meaning; the patterns of well-known tokenizers have scanners written by hand.
//
// # A text's way
//
// Added tokens ("[SEP]", "<|im_end|>") are cut out first; the rest is
// normalized, cut into words, and each word into pieces of the vocabulary.
// Encode and EncodePair then put the special tokens around one text or two, and
// cut what is too long. A query is tokenized once and joined with each document
// by Pair:
//
//	q, err := tok.Tokens(nil, query)
//	for _, d := range documents {
//		doc, err = tok.Tokens(doc[:0], d)
//		err = tok.Pair(&e, q, doc, 512, tokenizer.OnlySecond)
//		// e.IDs, e.Types
//	}
//
// A text that a hostile file has made too much to tokenize is an ErrTooMuch, of
// that text and of no other.
//
// A Tokenizer is safe for concurrent use. Where the caller hands the same slices
// and the same Encoding in again, nothing is allocated.
//
// # Errors
//
// Files are taken to be hostile: no input panics or takes memory out of
// proportion to its size. A file that breaks its format gives an error that
// names the file, the field and what was found there (errors.Is:
// fault.ErrFormat); a part that the package does not know gives
// fault.ErrUnsupported with its name. What only shows on a text, a regular
// expression that takes too long or a normalizer that makes too much of it, is
// told by Err and by every later Pair.
package tokenizer
