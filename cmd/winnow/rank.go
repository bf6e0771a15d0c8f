package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/internal/records"
	"github.com/winnow-rerank/winnow/server"
)

type rankCommand struct {
	modelFlags `embed:""`

	Query     string   `arg:"" help:"Query to rank the documents against."`
	Documents []string `arg:"" optional:"" name:"doc" help:"Documents to rank; read from standard input if neither these nor --file are given."`

	File       []string `short:"f" sep:"none" placeholder:"FILE" help:"Read documents from FILE: .txt (one per line), .jsonl, .json, .csv or .tsv, optionally .gz or .zst; a directory (one per file); or - for standard input. Repeatable."`
	Format     string   `enum:"${formats}" default:"auto" help:"Format of the files, regardless of their names: ${enum}."`
	TextColumn string   `placeholder:"NAME" help:"Column or field holding the document (default: text)."`
	IDColumn   string   `name:"id-column" placeholder:"NAME" help:"Column or field holding the document's id (default: id)."`

	TopN      int  `short:"n" placeholder:"N" help:"Show only the top N documents (0: all)."`
	RawScores bool `help:"Show logits instead of probabilities."`
	JSON      bool `name:"json" xor:"form" help:"Print JSON, as returned by /v1/rerank."`
	TSV       bool `name:"tsv" xor:"form" help:"Print tab-separated index, score, id (if any) and document."`
}

func (c *rankCommand) Run(env *environment) error {
	if c.TopN < 0 {
		return usagef("--top-n is %d: expected a number of at least 0", c.TopN)
	}
	documents, err := c.read(env)
	if err != nil {
		return err
	}
	model, err := c.open(env)
	if err != nil {
		return err
	}
	defer model.Close()
	warnScript(env, c.Model, c.Query)
	texts := make([]string, len(documents))
	for i, d := range documents {
		texts[i] = d.Text
	}
	ranking := server.Ranking{Model: model.Info().Name, Activation: model.Info().Activation, Raw: c.RawScores}
	progress := newMeter(env.stderr, "documents", 0, int64(len(texts)))
	ranking.Results, ranking.Truncated, err = scoreDocuments(env.ctx, model, c.Query, texts, func(n int) { progress.update(int64(n), int64(n)) })
	progress.finish()
	if err != nil {
		return err
	}
	for i := range ranking.Results {
		r := &ranking.Results[i]
		ranking.Tokens += r.Tokens
		if c.RawScores {
			r.Score = r.Logit
		}
	}
	if slices.ContainsFunc(documents, func(d records.Document) bool { return d.ID != "" }) {
		for _, d := range documents {
			ranking.IDs = append(ranking.IDs, d.ID)
		}
	}
	winnow.Rank(ranking.Results)
	if c.TopN > 0 && c.TopN < len(ranking.Results) {
		ranking.Results = ranking.Results[:c.TopN]
	}
	out := bufio.NewWriter(env.stdout)
	switch {
	case c.JSON:
		err = server.WriteRanking(out, ranking)
	case c.TSV:
		err = writeTSV(out, ranking.Results, ranking.IDs)
	default:
		if ranking.Truncated > 0 {
			env.note("%d of %d documents exceed the model's maximum length and were truncated", ranking.Truncated, len(documents))
		}
		width, colour := screen(env)
		err = writeTable(out, ranking.Results, ranking.IDs, c.RawScores, width, colour)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// read returns the documents given as arguments or in files.
func (c *rankCommand) read(env *environment) ([]records.Document, error) {
	if len(c.Documents) > 0 && len(c.File) > 0 {
		return nil, usagef("documents given both as arguments and with --file")
	}
	c.hint(env)
	var documents []records.Document
	for i, text := range c.Documents {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("document %d is not UTF-8", i)
		}
		documents = append(documents, records.Document{Text: text})
	}
	if len(c.Documents) == 0 {
		format, err := records.ParseFormat(c.Format)
		if err != nil {
			return nil, usageError{err}
		}
		files := c.File
		if len(files) == 0 {
			files = []string{"-"}
		}
		documents, err = records.Documents(files, records.DocumentOptions{Format: format, TextColumn: c.TextColumn, IDColumn: c.IDColumn, Stdin: env.stdin,
			LeftOut: func(file, because string) { env.note("skipping %s: it %s", file, because) }})
		if err != nil {
			return nil, err
		}
	}
	if len(documents) == 0 {
		return nil, usagef("no documents")
	}
	return documents, nil
}

// hint warns of arguments that are names of files, since the names themselves are rarely
// what should be ranked.
func (c *rankCommand) hint(env *environment) {
	for _, text := range append([]string{c.Query}, c.Documents...) {
		if len(text) > 1024 {
			continue
		}
		if _, err := os.Stat(text); err == nil && text != "" {
			env.note("%q is treated as text, but a file of that name exists: to rank its contents, use --file %s", text, text)
		}
	}
}

var oneLine = strings.NewReplacer("\t", " ", "\r\n", " ", "\n", " ", "\r", " ")

// writeTSV prints a ranking as tab-separated values; ids are by index, nil if there are
// none.
func writeTSV(w io.Writer, results []winnow.Result, ids []string) error {
	for _, r := range results {
		text := oneLine.Replace(r.Document)
		if ids != nil {
			text = oneLine.Replace(ids[r.Index]) + "\t" + text
		}
		if _, err := fmt.Fprintf(w, "%d\t%v\t%s\n", r.Index, r.Score, text); err != nil {
			return err
		}
	}
	return nil
}

// screen returns the width of standard output in columns, 0 if it is not a terminal, and
// whether to use colours.
func screen(env *environment) (width int, colour bool) {
	fd, ok := terminal(env.stdout)
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = 80
	}
	return width, env.getenv("NO_COLOR") == "" && env.getenv("TERM") != "dumb"
}

const barWidth = 20

// writeTable prints a ranking with bars for the scores. Documents follow their ids, if
// any, and are clipped to the width, if not 0.
func writeTable(w io.Writer, results []winnow.Result, ids []string, raw bool, width int, colour bool) error {
	digits := len(fmt.Sprint(len(results)))
	for i, r := range results {
		score, length := fmt.Sprintf("%.5f", r.Score), r.Score
		if raw {
			score, length = fmt.Sprintf("%8.4f", r.Score), 1/(1+math.Exp(-r.Logit))
		}
		filled := bar(length)
		text := oneLine.Replace(r.Document)
		if ids != nil && ids[r.Index] != "" {
			text = oneLine.Replace(ids[r.Index]) + "  " + text
		}
		if width > 0 {
			text = clip(text, width-digits-barWidth-len(score)-6)
		}
		if colour {
			filled = "\x1b[36m" + filled + "\x1b[0m"
		}
		if _, err := fmt.Fprintf(w, "%*d  %s  %s  %s\n", digits, i+1, filled, score, text); err != nil {
			return err
		}
	}
	return nil
}

// bar draws a number in [0,1] with a resolution of an eighth of a column.
func bar(x float64) string {
	const parts = "▏▎▍▌▋▊▉"
	eighths := int(math.Round(min(max(x, 0), 1) * barWidth * 8))
	s := strings.Repeat("█", eighths/8)
	if n := eighths % 8; n > 0 {
		s += string([]rune(parts)[n-1])
	}
	return s + strings.Repeat(" ", barWidth-utf8.RuneCountInString(s))
}

// clip shortens text to width columns, including an ellipsis.
func clip(text string, width int) string {
	width = max(width, 10)
	if uniseg.StringWidth(text) <= width {
		return text
	}
	end, used := 0, 0
	g := uniseg.NewGraphemes(text)
	for g.Next() {
		if used+g.Width() > width-1 {
			break
		}
		used += g.Width()
		_, end = g.Positions()
	}
	return text[:end] + "…"
}
