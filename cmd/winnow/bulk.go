package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/internal/bulk"
	"github.com/winnow-rerank/winnow/internal/evaluate"
	"github.com/winnow-rerank/winnow/internal/records"
)

type bulkCommand struct {
	modelFlags `embed:""`

	Input   string `required:"" short:"i" placeholder:"FILE" help:"Pairs to score: .jsonl, .json, .csv or .tsv with id, query and document, optionally .gz or .zst; with --corpus and --queries, a TREC run; - is standard input."`
	Output  string `required:"" short:"o" placeholder:"FILE" help:"Write lines of {\"id\",\"score\"}, optionally .gz or .zst; an existing file is resumed; - is standard output."`
	Corpus  string `placeholder:"FILE" help:"Documents of the run, with id and text (and an optional title, prepended to the text)."`
	Queries string `placeholder:"FILE" help:"Queries of the run, with id and text."`

	Format    string `enum:"${formats}" default:"auto" help:"Format of the input, regardless of its name: ${enum}."`
	Shard     string `placeholder:"I/N" help:"Score only every N-th pair, starting with the I-th (from 1), to share the work among N machines."`
	RawScores bool   `help:"Write logits instead of probabilities."`
	Overwrite bool   `help:"Start over if the output exists."`
}

func (c *bulkCommand) Run(env *environment) error {
	shard, shards, err := c.shard()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	source, err := c.source(env)
	if err != nil {
		return err
	}
	defer source.close()
	model, err := c.open(env)
	if err != nil {
		return err
	}
	defer model.Close()

	var progress *meter
	begin := time.Now()
	report, err := bulk.Run(env.ctx, c.Output, env.stdout, bulk.Job[[]winnow.Encoding]{
		Next: source.next,
		Encode: func(ctx context.Context, pairs []bulk.Pair) ([]winnow.Encoding, error) {
			encoded, err := bulk.Encode(ctx, model, pairs)
			if err != nil {
				return nil, fmt.Errorf("%s, lines %d to %d: %w", source.name(), pairs[0].Line, pairs[len(pairs)-1].Line, err)
			}
			return encoded, nil
		},
		Score: func(ctx context.Context, pairs []winnow.Encoding) ([]float64, error) {
			return bulk.Score(ctx, model, pairs, c.RawScores)
		},
		Begin: func(there int64) {
			if there > 0 {
				env.note("%s already holds %s pairs", c.Output, grouped(there))
			}
			done, total := source.consumed()
			progress = newMeter(env.stderr, "pairs", done, total)
			begin = time.Now()
		},
		Progress: func(n int64) {
			done, _ := source.consumed()
			progress.update(done, n)
		},
		Shard: shard, Shards: shards, Overwrite: c.Overwrite,
	})
	if progress != nil {
		progress.finish()
	}
	elapsed := time.Since(begin)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stopped after %s pairs; run the same command again to resume", grouped(report.There+report.Done))
	case err != nil:
		return err
	}
	env.note("%s pairs in %v, %s", grouped(report.Done), elapsed.Round(time.Millisecond), rate(report.Done, elapsed))
	return nil
}

// shard parses I/N and returns I counted from 0.
func (c *bulkCommand) shard() (at, of int, err error) {
	if c.Shard == "" {
		return 0, 1, nil
	}
	i, n, _ := strings.Cut(c.Shard, "/")
	at, err1 := strconv.Atoi(i)
	of, err2 := strconv.Atoi(n)
	if err1 != nil || err2 != nil || at < 1 || at > of {
		return 0, 0, usagef("--shard is %q: expected I/N with I from 1 to N, such as 1/8", c.Shard)
	}
	return at - 1, of, nil
}

func (c *bulkCommand) check() error {
	if (c.Corpus == "") != (c.Queries == "") {
		return usagef("--corpus and --queries must be given together: they hold the texts of a run")
	}
	switch ext := strings.ToLower(filepath.Ext(c.Output)); ext {
	case ".csv", ".tsv", ".json", ".parquet", ".avro":
		return usagef("--output is %s: expected .jsonl, .jsonl.gz or .jsonl.zst, since the output is JSON lines", c.Output)
	}
	if c.Input == "-" || c.Output == "-" {
		return nil
	}
	in, err := os.Stat(c.Input)
	if err != nil {
		return err
	}
	if out, err := os.Stat(c.Output); err == nil && os.SameFile(in, out) {
		return usagef("--input and --output are the same file")
	}
	return nil
}

// A pairSource reads the pairs of an input.
type pairSource struct {
	next     func() (bulk.Pair, error)
	name     func() string
	consumed func() (done, total int64)
	close    func()
}

var pairColumns = []records.Column{
	{Name: "id", Names: records.IDNames, Number: true},
	{Name: "query", Names: records.QueryNames},
	{Name: "document", Names: append([]string{"document"}, records.TextNames...)},
}

// source opens the input. The end of the process closes it: an interrupted run may still
// be reading.
func (c *bulkCommand) source(env *environment) (*pairSource, error) {
	format, err := records.ParseFormat(c.Format)
	if err != nil {
		return nil, usageError{err}
	}
	if c.Corpus != "" {
		return c.run(env)
	}
	r, err := records.Open(c.Input, records.Options{Columns: pairColumns, Format: format, Stdin: env.stdin})
	if err != nil {
		return nil, err
	}
	next := func() (bulk.Pair, error) {
		record, err := r.Read()
		if err != nil {
			return bulk.Pair{}, err
		}
		return bulk.Pair{ID: record.Values[0].AppendJSON(nil), Query: record.Values[1].Text, Document: record.Values[2].Text, Line: record.Line}, nil
	}
	return &pairSource{next, r.Name, r.Consumed, func() {}}, nil
}

// run reads the pairs of a TREC run. Their ids are the ids of query and document,
// separated by a space.
func (c *bulkCommand) run(env *environment) (_ *pairSource, err error) {
	var stores []*records.Store
	closeAll := func() {
		for _, s := range stores {
			_ = s.Close() // a temporary file only
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	for _, name := range []string{c.Corpus, c.Queries} {
		s, err := records.NewStore(name, records.Options{Stdin: env.stdin})
		if err != nil {
			return nil, err
		}
		stores = append(stores, s)
	}
	r, err := evaluate.OpenRun(c.Input, env.stdin)
	if err != nil {
		return nil, err
	}
	next := func() (bulk.Pair, error) {
		line, entry, err := r.Read()
		if err != nil {
			return bulk.Pair{}, err
		}
		document, err := stores[0].Get(entry.Document)
		if err != nil {
			return bulk.Pair{}, &records.LineError{File: r.Name(), Line: line, Err: err}
		}
		query, err := stores[1].Get(entry.Query)
		if err != nil {
			return bulk.Pair{}, &records.LineError{File: r.Name(), Line: line, Err: err}
		}
		id := records.Value{Text: entry.Query + " " + entry.Document}
		return bulk.Pair{ID: id.AppendJSON(nil), Query: query, Document: document, Line: line}, nil
	}
	return &pairSource{next, r.Name, r.Consumed, closeAll}, nil
}
