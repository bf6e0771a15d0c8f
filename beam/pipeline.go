package beam

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"path"
	"reflect"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/avroio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/fileio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/gcs"   // gs://
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local" // paths
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/s3"    // s3://
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/klauspost/compress/zstd"

	"github.com/winnow-rerank/winnow/internal/bulk"
	"github.com/winnow-rerank/winnow/internal/records"
)

// A Job is a pipeline from files to files. What a file holds goes by its ending:
// .avro, .parquet, or else lines of JSON, of which input may be compressed by gzip or zstd.
type Job struct {
	Options
	Input   string // a glob
	Output  string
	Shards  int    // files of output; of more than 1 the names have -00000-of-00008 before the ending, and of Avro always
	Invalid string // where lines go that are no pairs; "" makes them errors
}

func init() {
	register.DoFn3x1[string, func(Pair), func(string), error](&parseFn{})
	register.DoFn2x0[Scored, func(Scored)](&shardFn{})
	register.DoFn3x0[fileio.FileMetadata, func(string), func(string)](&divideFn{})
	register.DoFn3x1[context.Context, string, func(string), error](&decompressFn{})
	register.Emitter1[Pair]()
	register.Emitter1[string]()
	register.Function1x1(quoteID)
	register.Function1x2(unquoteID)
	register.Function1x1(scoredLine)
	register.Function1x2(scoredJSON)
}

// Build adds the steps of a job to a pipeline.
func (j Job) Build(s beam.Scope) error {
	if j.Shards < 0 {
		return fmt.Errorf("%d shards: expected at least 1", j.Shards)
	}
	if j.Input == "" || j.Output == "" {
		return errors.New("input and output are required")
	}
	scored := Score(s, j.Options, j.read(s))
	ext := path.Ext(j.Output)
	stem := strings.TrimSuffix(j.Output, ext)
	if ext == ".avro" {
		avroio.Write(s, stem, scoredSchema, beam.ParDo(s, scoredJSON, scored), avroio.WithNumShards(max(j.Shards, 1)))
		return nil
	}
	write := func(name string, part beam.PCollection) {
		if ext == ".parquet" {
			parquetio.Write(s, name, beam.ParDo(s, unquoteID, part))
		} else {
			textio.Write(s, name, beam.ParDo(s, scoredLine, part))
		}
	}
	if j.Shards <= 1 {
		write(j.Output, scored)
		return nil
	}
	for i := range j.Shards {
		write(fmt.Sprintf("%s-%05d-of-%05d%s", stem, i, j.Shards, ext), beam.ParDo(s, &shardFn{i, j.Shards}, scored))
	}
	return nil
}

// read gives the pairs of the input. Within a job ids are in JSON, so that numbers
// come back as numbers.
func (j Job) read(s beam.Scope) beam.PCollection {
	switch path.Ext(j.Input) {
	case ".avro":
		return beam.ParDo(s, quoteID, avroio.Read(s, j.Input, reflect.TypeFor[Pair]()))
	case ".parquet":
		return beam.ParDo(s, quoteID, parquetio.Read(s, j.Input, reflect.TypeFor[Pair]()))
	}
	pairs, invalid := beam.ParDo2(s, &parseFn{Fail: j.Invalid == ""}, readLines(s, j.Input))
	if j.Invalid != "" {
		textio.Write(s, j.Invalid, invalid)
	}
	return pairs
}

// readLines gives the lines of files. textio divides large files among workers, but
// of compressed ones it gives only as much as their compressed size (Beam 2.77), so
// that those are read here, each as a whole.
func readLines(s beam.Scope, glob string) beam.PCollection {
	s = s.Scope("readLines")
	files := fileio.MatchFiles(s, glob)
	plain, compressed := beam.ParDo2(s, &divideFn{}, files)
	return beam.Flatten(s, textio.ReadAll(s, plain, textio.ReadUncompressed()), beam.ParDo(s, &decompressFn{}, beam.Reshuffle(s, compressed)))
}

// divideFn tells files that are compressed from others.
type divideFn struct{}

// ProcessElement emits the path.
func (f *divideFn) ProcessElement(file fileio.FileMetadata, plain, compressed func(string)) {
	switch path.Ext(file.Path) {
	case ".gz", ".zst", ".zstd":
		compressed(file.Path)
	default:
		plain(file.Path)
	}
}

// decompressFn reads the lines of a file that is compressed by gzip or zstd.
type decompressFn struct{}

// ProcessElement reads a file.
func (f *decompressFn) ProcessElement(ctx context.Context, name string, emit func(string)) error {
	fs, err := filesystem.New(ctx, name)
	if err != nil {
		return err
	}
	defer fs.Close()
	in, err := fs.OpenRead(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	var r io.Reader
	if path.Ext(name) == ".gz" {
		if r, err = gzip.NewReader(in); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	} else {
		z, err := zstd.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer z.Close()
		r = z
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, records.MaxRecord)
	for lines.Scan() {
		emit(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// parseFn reads lines of JSON.
type parseFn struct {
	Fail bool // at a line that is no pair
}

// ProcessElement gives a pair, or the line if it is none.
func (f *parseFn) ProcessElement(text string, emit func(Pair), invalid func(string)) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var p struct {
		ID              json.RawMessage
		Query, Document *string
	}
	err := json.Unmarshal([]byte(text), &p)
	if err == nil && (p.Query == nil || p.Document == nil || len(p.ID) == 0 || strings.IndexByte(`"-0123456789`, p.ID[0]) < 0) {
		err = errors.New(`expected {"id":…,"query":…,"document":…}`)
	}
	switch {
	case err == nil:
		emit(Pair{string(p.ID), *p.Query, *p.Document})
	case f.Fail:
		return fmt.Errorf("line %.200q: %w", text, err)
	default:
		invalid(text)
	}
	return nil
}

// shardFn keeps what belongs to one file of several.
type shardFn struct{ Shard, Shards int }

// ProcessElement lets a score of the shard through.
func (f *shardFn) ProcessElement(x Scored, emit func(Scored)) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(x.ID)) // never fails
	if int(h.Sum32()%uint32(f.Shards)) == f.Shard {
		emit(x)
	}
}

func quoteID(p Pair) Pair {
	p.ID = string(records.Value{Text: p.ID}.AppendJSON(nil))
	return p
}

// unquoteID gives an id as text, for files whose ids are that.
func unquoteID(x Scored) (Scored, error) {
	if !strings.HasPrefix(x.ID, `"`) {
		return x, nil // a number
	}
	var id string
	err := json.Unmarshal([]byte(x.ID), &id)
	return Scored{id, x.Score}, err
}

func scoredLine(x Scored) string { return string(bulk.AppendLine(nil, []byte(x.ID), x.Score)) }

// scoredJSON is what avroio makes a record of.
func scoredJSON(x Scored) (string, error) {
	x, err := unquoteID(x)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(x)
	return string(b), err
}

const scoredSchema = `{"type":"record","name":"scored","fields":[{"name":"id","type":"string"},{"name":"score","type":"double"}]}`
