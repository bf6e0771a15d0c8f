package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compressed output is a sequence of frames (gzip members) of frameLines lines, flushed
// every flushLines lines. Counting lines makes the bytes of a resumed output equal to
// those of an uninterrupted one: the readable part of an incomplete frame is written
// again.
const (
	frameLines = 1 << 14
	flushLines = 1 << 6
)

// A compression is the compression of an output.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
)

func compressionOf(name string) compression {
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzipped
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".zstd"):
		return zstandard
	}
	return plain
}

// An encoder compresses frames; it is a gzip or zstd writer.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// An output writes lines.
type output struct {
	name    string
	kind    compression
	buffer  *bufio.Writer
	encoder encoder // nil: uncompressed
	open    bool    // a frame has been started
	lines   int64   // number of lines, including those of earlier runs
}

func newOutput(name string, kind compression, w io.Writer) (*output, error) {
	o := &output{name: name, kind: kind, buffer: bufio.NewWriterSize(w, 64<<10)}
	switch kind {
	case gzipped:
		o.encoder = gzip.NewWriter(nil)
	case zstandard:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
		o.encoder = z
	}
	return o, nil
}

// write writes one line, including its line break.
func (o *output) write(line []byte) error {
	o.lines++
	if o.encoder == nil {
		_, err := o.buffer.Write(line)
		return err
	}
	if !o.open {
		o.encoder.Reset(o.buffer)
		o.open = true
	}
	if _, err := o.encoder.Write(line); err != nil {
		return err
	}
	switch {
	case o.lines%frameLines == 0:
		return o.endFrame()
	case o.lines%flushLines == 0:
		return o.encoder.Flush()
	}
	return nil
}

// flush writes what is buffered; in a compressed output, what write has flushed.
func (o *output) flush() error { return o.buffer.Flush() }

func (o *output) endFrame() error {
	o.open = false
	return o.encoder.Close()
}

// finish ends the open frame.
func (o *output) finish() error {
	if o.open {
		if err := o.endFrame(); err != nil {
			return err
		}
	}
	return o.buffer.Flush()
}

// errBroken reports a stream that ends prematurely.
var errBroken = errors.New("truncated")

// An existing output is read line by line. After the last line, keep is the length of
// the part of the file that remains unchanged, and again are the lines after it that
// must be rewritten; whole says that nothing was incomplete.
type existing struct {
	name  string
	kind  compression
	r     *tally
	lines *bufio.Reader // of the current frame
	ends  func() int64  // returns the offset of the end of that frame
	zstd  *zstd.Decoder // nil until the first frame
	part  *zstdFrame    // the current frame

	count int64
	keep  int64
	again [][]byte
	whole bool
}

// A tally is a buffered file that knows the offset of the next read.
type tally struct {
	*bufio.Reader
	n int64
}

type tallied struct {
	r io.Reader
	t *tally
}

func (t tallied) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.t.n += int64(n)
	return n, err
}

func (t *tally) offset() int64 { return t.n - int64(t.Buffered()) }

func readExisting(name string, kind compression, f io.Reader) *existing {
	t := new(tally)
	t.Reader = bufio.NewReaderSize(tallied{f, t}, 64<<10)
	return &existing{name: name, kind: kind, r: t, whole: true}
}

// next returns the next complete line, io.EOF after the last one.
func (e *existing) next() ([]byte, error) {
	for {
		if e.lines == nil {
			if err := e.frame(); err != nil {
				return nil, e.end(err)
			}
		}
		line, err := e.lines.ReadBytes('\n')
		switch {
		case err == nil:
			e.count++
			if e.kind == plain {
				e.keep += int64(len(line))
			} else {
				e.again = append(e.again, line)
			}
			return line, nil
		case err == io.EOF && e.kind == plain:
			e.whole = len(line) == 0
			return nil, io.EOF
		case err == io.EOF && e.part != nil && !e.part.done:
			return nil, e.end(errBroken) // the decoder ignores half a header
		case err == io.EOF:
			// The frame is complete. It is kept if it is full.
			_, after := e.r.Peek(1)
			switch {
			case len(line) > 0 || e.count%frameLines != 0 && after == nil:
				return nil, e.end(fmt.Errorf("a frame ends after line %d: this file was not written by winnow bulk", e.count))
			case e.count%frameLines == 0:
				e.keep, e.again = e.ends(), nil
			}
			e.lines = nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, e.end(errBroken)
		default:
			return nil, e.end(fmt.Errorf("line %d: %w", e.count+1, err))
		}
	}
}

// end converts an error at the end of the file, which may be incomplete.
func (e *existing) end(err error) error {
	switch err {
	case io.EOF:
		return io.EOF
	case errBroken:
		e.whole = false
		return io.EOF
	}
	return fmt.Errorf("%s: %w; --overwrite starts over", e.name, err)
}

// frame starts reading the next frame.
func (e *existing) frame() error {
	head, err := e.r.Peek(1)
	if len(head) == 0 {
		return err
	}
	switch e.kind {
	case gzipped:
		if head, _ := e.r.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
			return broken(len(head) < 2, "not gzip")
		}
		z, err := gzip.NewReader(e.r)
		if err != nil {
			return broken(err == io.EOF || err == io.ErrUnexpectedEOF, "broken gzip header")
		}
		z.Multistream(false)
		e.lines, e.ends = bufio.NewReader(z), e.r.offset
	case zstandard:
		head, _ := e.r.Peek(4)
		if !bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			return broken(len(head) < 4, "not zstd")
		}
		if e.zstd == nil {
			if e.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20)); err != nil {
				return err
			}
		}
		e.part = &zstdFrame{r: e.r.Reader}
		if err := e.zstd.Reset(e.part); err != nil {
			return err
		}
		e.lines, e.ends = bufio.NewReader(e.zstd), e.r.offset
	default:
		e.lines = e.r.Reader
	}
	return nil
}

// broken returns the error of an invalid start of a frame: errBroken if the file ends
// there, or else text.
func broken(short bool, text string) error {
	if short {
		return errBroken
	}
	return errors.New(text)
}

// A zstdFrame reads the bytes of exactly one frame, past which the decoder alone would
// read. It follows the block headers (RFC 8878, section 3.1.1).
type zstdFrame struct {
	r     *bufio.Reader
	begun bool
	sum   int  // bytes of the checksum
	left  int  // bytes left of the current part
	last  bool // of the frame: no block follows
	done  bool
}

func (z *zstdFrame) Read(p []byte) (int, error) {
	for z.left == 0 {
		if z.done {
			return 0, io.EOF
		}
		if err := z.part(); err != nil {
			return 0, err
		}
	}
	n, err := z.r.Read(p[:min(len(p), z.left)])
	z.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// part measures the next part: the header, a block with its header, or the checksum.
func (z *zstdFrame) part() error {
	switch {
	case !z.begun:
		var header zstd.Header
		head, _ := z.r.Peek(zstd.HeaderMaxSize)
		if err := header.Decode(head); err != nil {
			return io.ErrUnexpectedEOF
		}
		z.begun, z.left = true, header.HeaderSize
		if header.HasCheckSum {
			z.sum = 4
		}
	case z.last:
		z.left, z.done = z.sum, true
	default:
		head, err := z.r.Peek(3)
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		block := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		z.last, z.left = block&1 == 1, 3+block>>3
		if block>>1&3 == 1 { // a run of one byte
			z.left = 3 + 1
		}
	}
	return nil
}

// resume prepares f for the lines after those that e has read.
func (e *existing) resume(f *os.File) (*output, error) {
	if err := f.Truncate(e.keep); err != nil {
		return nil, err
	}
	if _, err := f.Seek(e.keep, io.SeekStart); err != nil {
		return nil, err
	}
	o, err := newOutput(e.name, e.kind, f)
	if err != nil {
		return nil, err
	}
	o.lines = e.count - int64(len(e.again))
	for _, line := range e.again {
		if err := o.write(line); err != nil {
			return nil, err
		}
	}
	return o, o.flush()
}
