package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/server"
)

type rankCommand struct {
	modelFlags `embed:""`

	Query     string   `arg:"" help:"What the documents are ranked for."`
	Documents []string `arg:"" optional:"" name:"doc" help:"Documents; without any, and without --file, the lines of standard input."`

	File      string `short:"f" placeholder:"FILE" help:"File of documents: one a line, or .jsonl with text; - is standard input."`
	TopN      int    `short:"n" placeholder:"N" help:"Show the N best only (0: all)."`
	RawScores bool   `help:"Show logits instead of probabilities."`
	JSON      bool   `name:"json" xor:"form" help:"Print the reply of /v1/rerank."`
	TSV       bool   `name:"tsv" xor:"form" help:"Print index, score and document with tabs between."`
}

func (c *rankCommand) Run(env *environment) error {
	if c.TopN < 0 {
		return usagef("--top-n is %d: expected a number of at least 0", c.TopN)
	}
	documents, err := c.read(env.stdin)
	if err != nil {
		return err
	}
	model, err := c.open(env)
	if err != nil {
		return err
	}
	defer model.Close()
	pairs, err := model.Encode(env.ctx, c.Query, documents, winnow.EncodeOptions{})
	if err != nil {
		return err
	}
	results, err := model.ScoreEncoded(env.ctx, pairs)
	if err != nil {
		return err
	}
	tokens, cut := 0, 0
	for i, p := range pairs {
		results[i].Document = documents[i]
		if c.RawScores {
			results[i].Score = results[i].Logit
		}
		tokens += p.Tokens()
		if p.Truncated() {
			cut++
		}
	}
	winnow.Rank(results)
	if c.TopN > 0 && c.TopN < len(results) {
		results = results[:c.TopN]
	}
	out := bufio.NewWriter(env.stdout)
	switch {
	case c.JSON:
		err = server.WriteRanking(out, server.Ranking{Model: model.Info().Name, Activation: model.Info().Activation, Raw: c.RawScores,
			Tokens: tokens, Truncated: cut, Results: results})
	case c.TSV:
		err = writeTSV(out, results)
	default:
		if cut > 0 {
			fmt.Fprintf(env.stderr, "winnow: %d of %d documents are longer than the model takes and were cut\n", cut, len(documents))
		}
		width, colour := screen(env)
		err = writeTable(out, results, c.RawScores, width, colour)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// read gives the documents: the arguments, or the lines of a file.
func (c *rankCommand) read(stdin io.Reader) ([]string, error) {
	if len(c.Documents) > 0 && c.File != "" {
		return nil, usagef("documents are given both as arguments and with --file")
	}
	documents := c.Documents
	if len(documents) == 0 {
		in, name := stdin, "standard input"
		if c.File != "" && c.File != "-" {
			f, err := os.Open(c.File)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			in, name = f, c.File
		}
		var err error
		if documents, err = readDocuments(in, name); err != nil {
			return nil, err
		}
	}
	if len(documents) == 0 {
		return nil, usagef("no documents")
	}
	for i, d := range documents {
		if !utf8.ValidString(d) {
			return nil, fmt.Errorf("document %d is not UTF-8", i)
		}
	}
	return documents, nil
}

// readDocuments reads one document a line, empty lines aside. In a .jsonl file a
// line is a string or an object with text.
func readDocuments(in io.Reader, name string) ([]string, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	isJSON := strings.HasSuffix(strings.ToLower(name), ".jsonl") || strings.HasSuffix(strings.ToLower(name), ".ndjson")
	var documents []string
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if !isJSON {
			documents = append(documents, string(line))
			continue
		}
		var text string
		var object struct{ Text *string }
		switch {
		case json.Unmarshal(line, &text) == nil:
		case json.Unmarshal(line, &object) == nil && object.Text != nil:
			text = *object.Text
		default:
			return nil, fmt.Errorf("%s:%d: expected a JSON string or an object with a string \"text\"", name, number)
		}
		documents = append(documents, text)
	}
	return documents, nil
}

var oneLine = strings.NewReplacer("\t", " ", "\r\n", " ", "\n", " ", "\r", " ")

func writeTSV(w io.Writer, results []winnow.Result) error {
	for _, r := range results {
		if _, err := fmt.Fprintf(w, "%d\t%v\t%s\n", r.Index, r.Score, oneLine.Replace(r.Document)); err != nil {
			return err
		}
	}
	return nil
}

// screen is how many columns standard output has, 0 if it is no terminal, and
// whether colours are wanted there.
func screen(env *environment) (width int, colour bool) {
	f, ok := env.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, env.getenv("NO_COLOR") == "" && env.getenv("TERM") != "dumb"
}

const barWidth = 20

// writeTable prints a ranking with the scores as bars. Documents are cut to the
// width, if there is one.
func writeTable(w io.Writer, results []winnow.Result, raw bool, width int, colour bool) error {
	digits := len(fmt.Sprint(len(results)))
	for i, r := range results {
		score, length := fmt.Sprintf("%.5f", r.Score), r.Score
		if raw {
			score, length = fmt.Sprintf("%8.4f", r.Score), 1/(1+math.Exp(-r.Logit))
		}
		bar := bar(length)
		text := oneLine.Replace(r.Document)
		if width > 0 {
			text = clip(text, width-digits-barWidth-len(score)-6)
		}
		if colour {
			bar = "\x1b[36m" + bar + "\x1b[0m"
		}
		if _, err := fmt.Fprintf(w, "%*d  %s  %s  %s\n", digits, i+1, bar, score, text); err != nil {
			return err
		}
	}
	return nil
}

// bar draws a number of [0,1] with a precision of an eighth of a column.
func bar(x float64) string {
	const parts = "▏▎▍▌▋▊▉"
	eighths := int(math.Round(min(max(x, 0), 1) * barWidth * 8))
	s := strings.Repeat("█", eighths/8)
	if n := eighths % 8; n > 0 {
		s += string([]rune(parts)[n-1])
	}
	return s + strings.Repeat(" ", barWidth-utf8.RuneCountInString(s))
}

// clip cuts text to so many columns, an ellipsis included.
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
