// Package mapfile maps files into memory, read-only.
//
// A model's weights are used where they lie in the page cache: opening a file
// of a gigabyte costs no copy, and rows that are never read are never loaded.
// Where the operating system has no such call, the file is read instead.
package mapfile
