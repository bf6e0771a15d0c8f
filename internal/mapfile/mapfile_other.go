//go:build !unix && !windows

package mapfile

import (
	"io"
	"os"
)

func mapIn(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func mapOut([]byte) error { return nil }

func release([]byte) {}
