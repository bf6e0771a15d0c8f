// Package records reads common text files one record at a time: lines of text, lines of
// JSON, a JSON list, CSV with commas, semicolons, tabs or bars, each optionally
// compressed with gzip or zstd, and folders with one document per file.
//
// Errors about unreadable files describe what the file looks like, and errors in a
// record name the file and the line. Memory use is bounded by the longest record, which
// MaxRecord limits.
package records
