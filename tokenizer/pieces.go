package tokenizer

import "strings"

// Bytes appends what the token adds to a text when it is not the first one: its bytes,
// with spaces for the marks that stand for them. They may be only part of a character.
// An unknown id adds nothing.
func (t *Tokenizer) Bytes(dst []byte, id int32) []byte {
	if i, ok := t.added.byID[id]; ok {
		token := &t.added.list[i]
		if _, spelt := t.decoder.(byteLevelDecoder); spelt || token.special {
			return append(dst, token.content...)
		}
		return pieceBytes(dst, token.content, t.decoder) // possibly a run of spaces
	}
	piece, ok := t.model.piece(id)
	if !ok {
		return dst
	}
	return pieceBytes(dst, piece, t.decoder)
}

func pieceBytes(dst []byte, piece string, d decoder) []byte {
	list, ok := d.(decoderSequence)
	if !ok {
		list = decoderSequence{d}
	}
	for _, d := range list {
		switch d := d.(type) {
		case byteLevelDecoder:
			spelt, ok := appendBytes(dst, piece)
			if !ok {
				return append(spelt, piece...)
			}
			return spelt
		case byteFallbackDecoder:
			if b, ok := bytePiece(piece); ok {
				return append(dst, b)
			}
		case metaspaceDecoder:
			piece = strings.ReplaceAll(piece, string(d.mark), " ")
		case replaceDecoder:
			// A piece that exceeds the bounds is kept unchanged.
			if text, err := d.replace(piece); err == nil {
				piece = text
			}
		}
	}
	return append(dst, piece...)
}

// Text converts bytes to text: each ill-formed UTF-8 sequence becomes one U+FFFD.
func Text(b []byte) string { return lossyUTF8(b) }
