package server

import (
	"net/http"
)

// cohereEmbed2 is the dialect of Cohere's /v2/embed, which groups vectors by format.
var cohereEmbed2 = &embedDialect{
	input: []string{"texts"},
	more:  cohereFormats,
	reply: func(a *embedded, _ http.Header) any {
		if len(a.formats) == 0 {
			a.formats = []string{"float"}
		}
		return map[string]any{"id": a.id, "embeddings": a.byFormat(), "texts": a.texts, "meta": cohereEmbedMeta("2", a.tokens)}
	},
}

// cohereEmbed1 is the dialect of /v1/embed: a list of vectors unless formats are
// requested.
var cohereEmbed1 = &embedDialect{
	input: []string{"texts"},
	more:  cohereFormats,
	reply: func(a *embedded, _ http.Header) any {
		reply := map[string]any{"id": a.id, "embeddings": a.vectors, "texts": a.texts, "response_type": "embeddings_floats", "meta": cohereEmbedMeta("1", a.tokens)}
		if len(a.formats) > 0 {
			reply["embeddings"], reply["response_type"] = a.byFormat(), "embeddings_by_type"
		}
		return reply
	},
}

func cohereEmbedMeta(version string, tokens int) map[string]any {
	return map[string]any{"api_version": apiVersion{version}, "billed_units": map[string]int{"input_tokens": tokens}}
}

// cohereFormats reads embedding_types.
func cohereFormats(f *reader, q *embedRequest) {
	if !f.has("embedding_types") {
		return
	}
	q.formats = f.textOrTexts("embedding_types", maxFields)
	for _, format := range q.formats {
		if format != "float" && format != "base64" {
			f.fail(invalid("%q has %q: expected one of float, base64", "embedding_types", format))
		}
	}
}

// byFormat returns the vectors in each of the requested formats.
func (a *embedded) byFormat() map[string]any {
	forms := make(map[string]any)
	for _, format := range a.formats {
		forms[format] = a.vectors
		if format == "base64" {
			coded := make([]string, len(a.vectors))
			for i, v := range a.vectors {
				coded[i] = base64Of(v)
			}
			forms[format] = coded
		}
	}
	return forms
}
