//go:build !nomodel

package models

import (
	_ "embed"
	"unsafe"
)

// A string, because it lies in memory that is read from the executable as it is
// needed and is never written.
//
//go:embed ms-marco-MiniLM-L12-v2-Q8_0.gguf
var file string

func data() []byte { return unsafe.Slice(unsafe.StringData(file), len(file)) }
