package tokenizer

// Kind returns the name of the model that splits words into pieces: "WordPiece",
// "Unigram" or "BPE".
func (t *Tokenizer) Kind() string {
	switch t.model.(type) {
	case *wordPiece:
		return "WordPiece"
	case *unigram:
		return "Unigram"
	}
	return "BPE"
}
