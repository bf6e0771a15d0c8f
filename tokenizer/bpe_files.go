package tokenizer

import (
	"bytes"
	"path/filepath"

	"github.com/winnow-rerank/winnow/internal/mapfile"
)

// fromMerges reads vocab.json and the merges.txt next to it, the files of byte-level
// tokenizers without a tokenizer.json.
func (c *configuration) fromMerges(path string, data []byte) (*Tokenizer, error) {
	b := newBPEBuilder(path, bpeOptions{})
	r := newJSONReader(path, "", data)
	r.object(func(key []byte) { b.m.add(key, r.id()) })
	if err := r.end(); err != nil {
		return nil, err
	}
	if err := b.index(); err != nil {
		return nil, err
	}
	b.path = filepath.Join(filepath.Dir(path), "merges.txt")
	lines, err := mapfile.ReadAll(b.path, maxVocabulary)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(lines) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || bytes.HasPrefix(line, []byte("#version")) {
			continue
		}
		if err := b.pair(line); err != nil {
			return nil, err
		}
	}
	return c.build(path, &Tokenizer{model: b.finish(), pad: -1}, nil)
}
