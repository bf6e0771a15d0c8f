package beam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/internal/bulk"
	"github.com/winnow-rerank/winnow/models"
)

// A Pair is a query and a document. The tags are for files in Parquet, Avro and
// JSON.
type Pair struct {
	ID       string `json:"id" parquet:"name=id, type=BYTE_ARRAY, convertedtype=UTF8"`
	Query    string `json:"query" parquet:"name=query, type=BYTE_ARRAY, convertedtype=UTF8"`
	Document string `json:"document" parquet:"name=document, type=BYTE_ARRAY, convertedtype=UTF8"`
}

// A Scored is a pair's score.
type Scored struct {
	ID    string  `json:"id" parquet:"name=id, type=BYTE_ARRAY, convertedtype=UTF8"`
	Score float64 `json:"score" parquet:"name=score, type=DOUBLE"`
}

// Options say which model scores, and how. Each worker loads it once.
type Options struct {
	Model     string // a path on the workers; "" is the built-in model
	Precision string // "" is auto
	MaxLength int    // tokens of a pair; 0: what the model takes
	Threads   int    // of a worker; 0: one for each core
	RawScores bool   // logits instead of probabilities
}

func init() {
	register.DoFn3x1[context.Context, Pair, func(Scored), error](&scoreFn{})
	register.Emitter1[Scored]()
	beam.RegisterType(reflect.TypeFor[Pair]())
	beam.RegisterType(reflect.TypeFor[Scored]())
}

// Score scores a PCollection of Pair as one of Scored.
func Score(s beam.Scope, o Options, pairs beam.PCollection) beam.PCollection {
	return beam.ParDo(s.Scope("winnow.Score"), &scoreFn{Options: o}, pairs)
}

// What of a bundle goes through the model together is bounded in pairs and in text.
const (
	pairsAtOnce = 1024
	bytesAtOnce = 4 << 20
)

// scoreFn gathers the pairs of a bundle and scores them together.
type scoreFn struct {
	Options Options

	model *winnow.Model
	pairs []bulk.Pair
	bytes int
}

// The models of this process. Runners make many scoreFn, which share them, and end
// a worker without a word, so that nothing closes them.
var (
	modelsMutex sync.Mutex
	loaded      = make(map[Options]*winnow.Model)
)

func (o Options) open() (*winnow.Model, error) {
	modelsMutex.Lock()
	defer modelsMutex.Unlock()
	o.RawScores = false // it does not matter to the model
	if m := loaded[o]; m != nil {
		return m, nil
	}
	precision, err := winnow.ParsePrecision(cmp.Or(o.Precision, string(winnow.Auto)))
	if err != nil {
		return nil, err
	}
	options := []winnow.Option{winnow.WithPrecision(precision), winnow.WithMaxLength(o.MaxLength), winnow.WithThreads(o.Threads)}
	var m *winnow.Model
	if o.Model != "" {
		m, err = winnow.Open(o.Model, options...)
	} else if data := models.Default(); data != nil {
		m, err = winnow.OpenBytes(models.Name, data, options...)
	} else {
		err = errors.New("no built-in model: name one")
	}
	if err != nil {
		return nil, err
	}
	loaded[o] = m
	return m, nil
}

// Setup loads the model, the first time in a process.
func (f *scoreFn) Setup() (err error) {
	f.model, err = f.Options.open()
	return err
}

// StartBundle forgets what a bundle that failed has left.
func (f *scoreFn) StartBundle(func(Scored)) { f.pairs, f.bytes = f.pairs[:0], 0 }

// ProcessElement takes a pair, and scores those at hand when there are enough.
func (f *scoreFn) ProcessElement(ctx context.Context, p Pair, emit func(Scored)) error {
	f.pairs = append(f.pairs, bulk.Pair{ID: []byte(p.ID), Query: p.Query, Document: p.Document})
	if f.bytes += len(p.Query) + len(p.Document); len(f.pairs) < pairsAtOnce && f.bytes < bytesAtOnce {
		return nil
	}
	return f.FinishBundle(ctx, emit)
}

// FinishBundle scores the pairs at hand.
func (f *scoreFn) FinishBundle(ctx context.Context, emit func(Scored)) error {
	if len(f.pairs) == 0 {
		return nil
	}
	encoded, err := bulk.Encode(ctx, f.model, f.pairs)
	if err != nil {
		return err
	}
	scores, err := bulk.Score(ctx, f.model, encoded, f.Options.RawScores)
	if err != nil {
		return fmt.Errorf("pairs %s to %s: %w", f.pairs[0].ID, f.pairs[len(f.pairs)-1].ID, err)
	}
	for i, p := range f.pairs {
		emit(Scored{string(p.ID), scores[i]})
	}
	f.pairs, f.bytes = f.pairs[:0], 0
	return nil
}
