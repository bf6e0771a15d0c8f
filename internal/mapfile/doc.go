// Package mapfile maps files into memory, read-only.
//
// A model's weights are used directly from the page cache: opening a file of a gigabyte
// copies nothing, and rows that are never read are never loaded. On operating systems
// without mapping, the file is read instead.
package mapfile
