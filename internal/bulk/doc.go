// Package bulk scores any number of pairs in constant memory: it reads, encodes,
// scores and writes in a pipeline, and goes on where a run was broken off, so that
// each pair is in the output once and its bytes are those of an unbroken run.
//
// The output itself is the only state. It has a line a pair in the order of the
// input; what a kill cut off at its end is cut away, the ids of the lines that are
// there are compared with the input's, and the last of them are scored again, so
// that another model or precision does not go on with it unnoticed.
package bulk
