// Command winnow-beam scores pairs in an Apache Beam pipeline.
//
//	winnow-beam --runner prism --input 'pairs-*.jsonl.gz' --output scores.jsonl --shards 8
package main

import (
	"context"
	"flag"
	"log"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/winnow-rerank/winnow/beam"
)

func main() {
	var job beam.Job
	flag.StringVar(&job.Input, "input", "", "files of pairs, a glob: .jsonl (perhaps .gz or .zst), .avro or .parquet with id, query and document")
	flag.StringVar(&job.Output, "output", "", "file of scores: .jsonl, .avro or .parquet")
	flag.IntVar(&job.Shards, "shards", 1, "files of output")
	flag.StringVar(&job.Invalid, "invalid", "", "file for lines that are no pairs, which are errors without")
	flag.StringVar(&job.Model, "model", "", "GGUF file or directory on the workers (the built-in model without)")
	flag.StringVar(&job.Precision, "precision", "auto", "number format of the matrix products")
	flag.IntVar(&job.MaxLength, "max-length", 0, "most tokens of a pair (0: what the model takes)")
	flag.IntVar(&job.Threads, "threads", 0, "threads of a worker (0: one for each core)")
	flag.BoolVar(&job.RawScores, "raw-scores", false, "write logits instead of probabilities")
	flag.Parse()
	sdk.Init() // a worker does its work here and ends

	pipeline := sdk.NewPipeline()
	if err := job.Build(pipeline.Root()); err != nil {
		log.Fatalf("winnow-beam: %v", err)
	}
	if err := beamx.Run(context.Background(), pipeline); err != nil {
		log.Fatalf("winnow-beam: %v", err)
	}
}
