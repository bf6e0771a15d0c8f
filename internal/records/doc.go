// Package records reads the files that people keep texts in, one record at a
// time: lines of text, lines of JSON, a JSON list, CSV with commas, semicolons,
// tabs or bars, each of them plain or compressed by gzip or zstd, and folders
// with a document in each file.
//
// What it cannot read it refuses by saying what the file looks like, and errors
// in a record name the file and the line. Memory is bounded by the longest
// record, which MaxRecord limits.
package records
