package server

import (
	"context"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
)

// tokenize answers POST /tokenize.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var model, content string
	var special, pieces bool
	err := s.read(w, r, func(all fields) error {
		var ok bool
		if content, ok = jsonString(all["content"]); !ok {
			return all.wrong("content", "a string")
		}
		f := &reader{fields: all}
		special = f.boolean("add_special", false)
		f.boolean("parse_special", true)
		pieces = f.boolean("with_pieces", false)
		model = f.str("model")
		return f.err
	})
	if err != nil {
		return err
	}
	c, err := s.prepare(r, model, "", "")
	if err != nil {
		return err
	}
	defer c.close()
	var tokens []winnow.Token
	err = c.encode([]int{len(content)}, 0, 0, true, func(context.Context, int, int) (int, error) {
		var err error
		tokens, err = c.model.Tokenize(content, special)
		return len(tokens), err
	})
	if err != nil {
		return err
	}
	if !pieces {
		ids := make([]int, len(tokens))
		for i, t := range tokens {
			ids[i] = t.ID
		}
		writeJSON(w, http.StatusOK, map[string]any{"tokens": ids})
		return nil
	}
	list := make([]tokenPiece, len(tokens))
	for i, t := range tokens {
		list[i] = tokenPiece{t.ID, pieceOf(t.Piece)}
	}
	writeJSON(w, http.StatusOK, map[string]any{"tokens": list})
	return nil
}

type tokenPiece struct {
	ID    int `json:"id"`
	Piece any `json:"piece"`
}

// pieceOf returns a piece for JSON: text, or a list of bytes if it is not UTF-8.
func pieceOf(piece string) any {
	if utf8.ValidString(piece) {
		return piece
	}
	return byteList(piece)
}

// byteList returns the bytes of a piece for JSON.
func byteList(piece string) []int {
	list := make([]int, len(piece))
	for i := range len(piece) {
		list[i] = int(piece[i])
	}
	return list
}

// detokenize answers POST /detokenize.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	var c *call
	ids := []int{}
	err := s.read(w, r, func(f fields) (err error) {
		if c, err = s.named(r, f, "", ""); err != nil || string(f["tokens"]) == "[]" {
			return err
		}
		return f.list("tokens", maxTokens, "token ids", func(i int, raw json.RawMessage) error {
			id, err := c.token("tokens", i, raw)
			ids = append(ids, id)
			return err
		})
	})
	if c != nil {
		defer c.close()
	}
	if err != nil {
		return err
	}
	content, err := c.model.Detokenize(ids)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"content": content})
	return nil
}
