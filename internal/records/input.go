package records

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// sniffed is the number of bytes examined to detect the type of a file.
const sniffed = 4096

var utf8BOM = []byte("\xef\xbb\xbf")

// A ContentError reports the apparent type of an unreadable file.
type ContentError struct {
	File string
	Kind string // what it looks like
	Want string // what is expected
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("%s looks like %s: expected %s", e.File, e.Kind, e.Want)
}

// A LineError is an error in one record.
type LineError struct {
	File string
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// An input is a decompressed file.
type input struct {
	*bufio.Reader
	name    string
	size    int64 // of the file, 0 if unknown
	counted *counter
	close   []func() error
}

// A counter counts bytes read.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func openInput(name string, stdin io.Reader) (*input, error) {
	if name == "-" {
		in := &input{name: "standard input", counted: &counter{r: stdin}}
		if f, ok := stdin.(*os.File); ok {
			in.size = sizeOf(f)
		}
		return in, in.decompress()
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	in := &input{name: name, size: sizeOf(f), counted: &counter{r: f}, close: []func() error{f.Close}}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close()
		return nil, fmt.Errorf("%s is a directory: expected a file", name)
	}
	if err := in.decompress(); err != nil {
		_ = in.Close()
		return nil, err
	}
	return in, nil
}

// sizeOf returns the size of a regular file, or 0.
func sizeOf(f *os.File) int64 {
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// decompress detects compression by the first bytes, not by the name.
func (in *input) decompress() error {
	in.Reader = bufio.NewReaderSize(in.counted, 64<<10)
	head, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in.Reader)
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		in.Reader = bufio.NewReaderSize(z, 64<<10)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		in.close = append([]func() error{func() error { z.Close(); return nil }}, in.close...)
		in.Reader = bufio.NewReaderSize(z, 64<<10)
	}
	return nil
}

// Close closes the file.
func (in *input) Close() error {
	var first error
	for _, c := range in.close {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// kinds are the signatures of files that are not text.
var kinds = []struct{ magic, kind string }{
	{"%PDF", "a PDF: convert it to text first, with pdftotext for example"},
	{"PK\x03\x04", "a ZIP archive, as .docx, .xlsx and .odt files are"},
	{"\xd0\xcf\x11\xe0", "an old Office document"},
	{"{\\rtf", "an RTF document"},
	{"\x89PNG", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"GIF8", "a GIF image"},
	{"BZh", "a bzip2 archive: gzip and zstd are read as they are"},
	{"\xfd7zXZ", "an xz archive: gzip and zstd are read as they are"},
	{"7z\xbc\xaf", "a 7z archive"},
	{"\x1f\x8b", "gzip inside of gzip"},
	{"SQLite format 3", "an SQLite database"},
	{"PAR1", "a Parquet file"},
	{"Obj\x01", "an Avro file"},
	{"ARROW1", "an Arrow file"},
	{"GGUF", "a GGUF model: models are named with --model"},
	{"\x7fELF", "a program"},
	{"MZ\x90", "a program"},
	{"\xff\xfe", "UTF-16: save it as UTF-8"},
	{"\xfe\xff", "UTF-16: save it as UTF-8"},
}

// looksLike describes the type of a file by its first bytes, or returns "" for text.
func looksLike(head []byte) string {
	for _, k := range kinds {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.kind
		}
	}
	lower := bytes.ToLower(bytes.TrimLeft(head[:min(len(head), 256)], " \t\r\n"))
	for _, tag := range []string{"<!doctype html", "<html"} {
		if bytes.HasPrefix(lower, []byte(tag)) {
			return "an HTML page"
		}
	}
	if bytes.HasPrefix(lower, []byte("<?xml")) {
		return "XML"
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return "a binary file"
	}
	return ""
}

// encoding returns nil for UTF-8, or an error that suggests the actual encoding, as far
// as one byte can indicate it.
func encoding(text []byte) error {
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			b := text[i]
			if b < 0xa0 {
				return fmt.Errorf("not UTF-8: byte 0x%02x at column %d", b, i+1)
			}
			return fmt.Errorf("not UTF-8: byte 0x%02x at column %d looks like Latin-1's %q; save the file as UTF-8", b, i+1, rune(b))
		}
		i += size
	}
	return nil
}
