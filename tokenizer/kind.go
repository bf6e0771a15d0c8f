package tokenizer

// Kind names the model that cuts words into pieces: "WordPiece", "Unigram" or
// "BPE".
func (t *Tokenizer) Kind() string {
	switch t.model.(type) {
	case *wordPiece:
		return "WordPiece"
	case *unigram:
		return "Unigram"
	}
	return "BPE"
}
