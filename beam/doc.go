// Package beam scores pairs in an Apache Beam pipeline, with the scores of winnow
// bulk, bit for bit, on any runner: Flink, Spark, Dataflow, or Beam's own Prism.
//
// It is a module of its own, so that programs that import winnow do not get Beam
// with it. cmd/winnow-beam is the pipeline as a program.
package beam
