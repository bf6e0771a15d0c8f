package beam

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/avroio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
	"github.com/klauspost/compress/zstd"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/internal/bulk"
)

func TestMain(m *testing.M) { ptest.MainWithDefault(m, "prism") }

const model = "../testdata/bert-minilm"

// pairs are n pairs with ids that are texts and numbers.
func pairs(n int) (list []Pair) {
	words := strings.Fields("deep learning neural networks red apples fruit tree relativity einstein brain language river house paper")
	text := func(seed, n int) string {
		var list []string
		for i := range n {
			list = append(list, words[(seed+i*i)%len(words)])
		}
		return strings.Join(list, " ")
	}
	for i := range n {
		id := fmt.Sprintf(`"p<%d>"`, i)
		if i%3 == 0 {
			id = fmt.Sprint(i)
		}
		list = append(list, Pair{id, text(i/10, 4), text(i, 3+i%40)})
	}
	return list
}

func lines(pairs []Pair) string {
	var b strings.Builder
	for _, p := range pairs {
		query, _ := json.Marshal(p.Query)
		document, _ := json.Marshal(p.Document)
		fmt.Fprintf(&b, "{\"id\":%s,\"query\":%s,\"document\":%s}\n", p.ID, query, document)
	}
	return b.String()
}

// bulkLines are the lines that winnow bulk writes, sorted.
func bulkLines(t *testing.T, pairs []Pair) []string {
	t.Helper()
	m, err := winnow.Open(model, winnow.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	i := 0
	var out bytes.Buffer
	_, err = bulk.Run(t.Context(), "-", &out, bulk.Job[[]winnow.Encoding]{
		Next: func() (bulk.Pair, error) {
			if i == len(pairs) {
				return bulk.Pair{}, io.EOF
			}
			p := pairs[i]
			i++
			return bulk.Pair{ID: []byte(p.ID), Query: p.Query, Document: p.Document}, nil
		},
		Encode:   func(ctx context.Context, p []bulk.Pair) ([]winnow.Encoding, error) { return bulk.Encode(ctx, m, p) },
		Score:    func(ctx context.Context, e []winnow.Encoding) ([]float64, error) { return bulk.Score(ctx, m, e, false) },
		Begin:    func(int64) {},
		Progress: func(int64) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(out.String())
}

func sorted(text string) []string {
	list := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(list)
	return list
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, glob string) string {
	t.Helper()
	names, err := filepath.Glob(glob)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v", glob, err)
	}
	var text string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text += string(data)
	}
	return text
}

func run(t *testing.T, build func(s beam.Scope) error) error {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	if err := build(s); err != nil {
		t.Fatal(err)
	}
	return ptest.Run(p)
}

// TestText: lines in, plain and compressed, lines out, in one file and in several:
// those of winnow bulk, bit for bit.
func TestText(t *testing.T) {
	dir := t.TempDir()
	all := pairs(600)
	want := bulkLines(t, all)
	write(t, filepath.Join(dir, "in-1.jsonl"), []byte(lines(all[:250])+"\n"))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte(lines(all[250:500])))
	_ = w.Close()
	zst, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "in-3.jsonl.zst"), zst.EncodeAll([]byte(lines(all[500:])), nil))
	write(t, filepath.Join(dir, "in-2.jsonl.gz"), z.Bytes())
	for _, shards := range []int{1, 3} {
		out := filepath.Join(dir, fmt.Sprint("out", shards))
		job := Job{Options: Options{Model: model}, Input: filepath.Join(dir, "in-*"), Output: out + ".jsonl", Shards: shards}
		if err := run(t, job.Build); err != nil {
			t.Fatal(err)
		}
		if got := sorted(read(t, out+"*.jsonl")); !slices.Equal(got, want) {
			t.Errorf("%d shards: %d lines, want %d, or others", shards, len(got), len(want))
		}
	}
}

// TestInvalid: what is no pair is an error, or goes to a file of its own.
func TestInvalid(t *testing.T) {
	dir := t.TempDir()
	all := pairs(5)
	bad := "{\"id\":1,\"query\":\"q\"}\nnonsense\n{\"id\":[],\"query\":\"q\",\"document\":\"d\"}\n"
	write(t, filepath.Join(dir, "in.jsonl"), []byte(lines(all)+bad))
	job := Job{Options: Options{Model: model}, Input: filepath.Join(dir, "in.jsonl"), Output: filepath.Join(dir, "out.jsonl")}
	if err := run(t, job.Build); err == nil || !strings.Contains(err.Error(), `line "{\"id\":1,\"query\":\"q\"}": expected`) {
		t.Errorf("%v", err)
	}
	job.Invalid = filepath.Join(dir, "invalid")
	if err := run(t, job.Build); err != nil {
		t.Fatal(err)
	}
	if got := sorted(read(t, job.Output)); !slices.Equal(got, bulkLines(t, all)) {
		t.Errorf("%q", got)
	}
	if got := sorted(read(t, job.Invalid)); !slices.Equal(got, sorted(bad)) {
		t.Errorf("%q", got)
	}
	if err := (Job{}).Build(beam.NewPipeline().Root()); err == nil {
		t.Error("a job without files")
	}
}

func pairJSON(p Pair) (string, error) {
	b, err := json.Marshal(p)
	return string(b), err
}

func quoted(x Scored) Scored {
	return Scored{quoteID(Pair{ID: x.ID}).ID, x.Score}
}

func init() {
	register.Function1x2(pairJSON)
	register.Function1x1(quoted)
}

// TestColumnar: Avro and Parquet, in and out.
func TestColumnar(t *testing.T) {
	dir := t.TempDir()
	all := pairs(60)
	want := bulkLines(t, all)
	for i := range want { // ids are texts there
		if digit := want[i][len(`{"id":`)]; digit != '"' {
			want[i] = strings.Replace(strings.Replace(want[i], `{"id":`, `{"id":"`, 1), `,"score"`, `","score"`, 1)
		}
	}
	slices.Sort(want)
	plain := slices.Clone(all)
	for i, p := range plain {
		plain[i].ID = strings.Trim(p.ID, `"`)
	}
	if err := run(t, func(s beam.Scope) error {
		col := beam.CreateList(s, plain)
		parquetio.Write(s, filepath.Join(dir, "in.parquet"), col)
		avroio.Write(s, filepath.Join(dir, "in"), `{"type":"record","name":"pair","fields":[{"name":"id","type":"string"},{"name":"query","type":"string"},{"name":"document","type":"string"}]}`,
			beam.ParDo(s, pairJSON, col))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, out, written string }{
		{"in.parquet", "a.jsonl", ""}, {"in*.avro", "b.jsonl", ""},
		{"in.parquet", "c.avro", "c-*.avro"}, {"in*.avro", "d.parquet", "d.parquet"},
	} {
		job := Job{Options: Options{Model: model}, Input: filepath.Join(dir, c.in), Output: filepath.Join(dir, c.out)}
		if err := run(t, job.Build); err != nil {
			t.Fatal(err)
		}
		lines := job.Output
		if c.written != "" {
			lines += ".jsonl"
			if err := run(t, func(s beam.Scope) error {
				var scored beam.PCollection
				if strings.HasSuffix(c.out, ".avro") {
					scored = avroio.Read(s, filepath.Join(dir, c.written), reflect.TypeFor[Scored]())
				} else {
					scored = parquetio.Read(s, filepath.Join(dir, c.written), reflect.TypeFor[Scored]())
				}
				textio.Write(s, lines, beam.ParDo(s, scoredLine, beam.ParDo(s, quoted, scored)))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if got := sorted(read(t, lines)); !slices.Equal(got, want) {
			t.Errorf("%s to %s: %d lines %s, want %d %s", c.in, c.out, len(got), got[0], len(want), want[0])
		}
	}
}
