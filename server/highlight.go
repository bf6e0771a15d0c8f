package server

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A highlight is a sentence of a document with its own score.
type highlight struct {
	Text  string  `json:"text"`
	Start int     `json:"start"` // in the document, in characters
	End   int     `json:"end"`
	Score float64 `json:"score"`

	logit float64
}

// sentences splits a text into sentences, without surrounding white space.
func sentences(text string) (list []highlight) {
	at, state := 0, -1 // characters before rest
	for rest := text; rest != ""; {
		var s string
		s, rest, state = uniseg.FirstSentenceInString(rest, state)
		bare := strings.TrimLeftFunc(s, unicode.IsSpace)
		start := at + utf8.RuneCountInString(s[:len(s)-len(bare)])
		bare = strings.TrimRightFunc(bare, unicode.IsSpace)
		if bare != "" {
			list = append(list, highlight{Text: bare, Start: start, End: start + utf8.RuneCountInString(bare)})
		}
		at += utf8.RuneCountInString(s)
	}
	return list
}

// highlight scores the sentences of the documents in the reply, each once and
// independently, and keeps the best ones of every document.
func (c *call) highlight(a *ranked) error {
	q := a.questions[0]
	lists := make([][]highlight, 0, len(a.results))
	best := a.best()
	var texts []string
	for _, r := range best {
		list := sentences(q.documents[r.Index])
		for _, s := range list {
			texts = append(texts, s.Text)
		}
		lists = append(lists, list)
	}
	scored, err := c.rank(&rankRequest{questions: []question{{q.query, texts}}, options: a.options, raw: a.raw, fresh: a.fresh})
	if err != nil {
		return err
	}
	a.highlights = make(map[int][]highlight, len(best))
	rest := scored.results
	for i, list := range lists {
		for n := range list {
			list[n].Score, list[n].logit = rest[n].Score, rest[n].Logit
		}
		rest = rest[len(list):]
		slices.SortStableFunc(list, func(x, y highlight) int { return cmp.Compare(y.logit, x.logit) })
		a.highlights[best[i].Index] = list[:min(len(list), a.most)]
	}
	a.tokens += scored.tokens
	c.note.documents, c.note.tokens = len(a.results)+len(texts), a.tokens
	return nil
}
