// Package bulk scores any number of pairs in constant memory: it reads, encodes, scores
// and writes in a pipeline, and resumes interrupted runs so that each pair is in the
// output once and the bytes are those of an uninterrupted run.
//
// The output itself is the only state. It has one line per pair in the order of the
// input. To resume, an incomplete last line is removed, the ids of the lines are
// compared with the input's, and the last lines are scored again to detect another
// model or precision.
package bulk
