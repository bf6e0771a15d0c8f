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
	flag.StringVar(&job.Input, "input", "", "glob of pair files: .jsonl (optionally .gz or .zst), .avro or .parquet with id, query and document")
	flag.StringVar(&job.Output, "output", "", "score file: .jsonl, .avro or .parquet")
	flag.IntVar(&job.Shards, "shards", 1, "number of output files")
	flag.StringVar(&job.Invalid, "invalid", "", "file for lines that are not valid pairs (default: such a line is an error)")
	flag.StringVar(&job.Model, "model", "", "GGUF file or directory on the workers (default: the built-in model)")
	flag.StringVar(&job.Precision, "precision", "auto", "precision of matrix products")
	flag.IntVar(&job.MaxLength, "max-length", 0, "maximum tokens of a pair (0: the model's limit)")
	flag.IntVar(&job.Threads, "threads", 0, "threads per worker (0: one per core)")
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
