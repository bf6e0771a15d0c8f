package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
)

// newHash returns the hash function of the file: SHA-256 for large files, git's SHA-1
// for others; nil if its hash is unknown.
func (f *remoteFile) newHash() hash.Hash {
	switch len(f.hash) {
	case 2 * sha256.Size:
		return sha256.New()
	case 0:
		return nil
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.size)
	return h
}

// isAt reports whether the file at path has the expected size and hash.
func (f *remoteFile) isAt(ctx context.Context, path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.size {
		return false, nil
	}
	sum := f.newHash()
	if sum == nil {
		return true, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	if _, err := hashFile(ctx, sum, in); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == f.hash, nil
}

// hashFile hashes the rest of a file, which may be large.
func hashFile(ctx context.Context, sum hash.Hash, in io.Reader) (int64, error) {
	buffer := make([]byte, chunkSize)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, context.Cause(ctx)
		}
		n, err := in.Read(buffer)
		if sum != nil {
			sum.Write(buffer[:n])
		}
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// A transfer is the download of one file.
type transfer struct {
	*pull
	file    *remoteFile
	address string
	out     *os.File
	sum     hash.Hash
	done    int64 // bytes in out, and in sum
}

// Files with wrong contents are downloaded again up to maxWrong times or maxWrongBytes
// in total, but at least once.
const (
	maxWrong      = 5
	maxWrongBytes = 256 << 20
)

// download fetches a file into blob by way of partial, which it resumes if it exists,
// and verifies it.
func (p *pull) download(ctx context.Context, f *remoteFile, blob, partial string) error {
	out, err := os.OpenFile(partial, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	t := &transfer{pull: p, file: f, address: p.address(p.ref, p.commit, f.name), out: out, sum: f.newHash()}
	if t.done, err = hashFile(ctx, t.sum, out); err != nil {
		return err
	}
	for wrong := 1; ; wrong++ {
		err := p.retry(ctx, p.noted(f.name), func() (bool, error) {
			before := t.done
			err := t.fetch(ctx)
			return t.done > before, err
		})
		if err != nil {
			if done := t.done; done > 0 && done < f.size {
				return fmt.Errorf("after %d of %d bytes: %w; the next try resumes from there", done, f.size, err)
			}
			return err
		}
		if t.sum == nil {
			break
		}
		got := hex.EncodeToString(t.sum.Sum(nil))
		if got == f.hash {
			break
		}
		err = fmt.Errorf("its hash is %s: expected %s", got, f.hash)
		if wrong == maxWrong || wrong > 1 && int64(wrong)*f.size > maxWrongBytes {
			_ = os.Remove(partial)
			return err
		}
		p.noted(f.name)(err)
		if err := t.restart(); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(partial, blob)
}

// restart discards the data received so far.
func (t *transfer) restart() error {
	t.sum, t.done = t.file.newHash(), 0
	if _, err := t.out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.out.Truncate(0)
}

// fetch requests the rest of the file once.
func (t *transfer) fetch(ctx context.Context) error {
	size := t.file.size
	if t.done > size {
		if err := t.restart(); err != nil {
			return err
		}
	}
	if t.done == size {
		return nil
	}
	header := http.Header{}
	if t.done > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", t.done))
	}
	err := t.do(ctx, http.MethodGet, t.address, header, func(reply *http.Response, body io.Reader) error {
		if encoding := reply.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
			return transientf("the hub sends the file in another encoding, %q", encoding)
		}
		switch reply.StatusCode {
		case http.StatusPartialContent:
			var from int64
			if _, err := fmt.Sscanf(reply.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != t.done {
				return transientf("the hub sends %q: expected bytes from %d on", reply.Header.Get("Content-Range"), t.done)
			}
		case http.StatusOK: // from the beginning
			if reply.ContentLength >= 0 && reply.ContentLength != size {
				return transientf("the hub sends %d bytes: expected %d", reply.ContentLength, size)
			}
			if t.done > 0 {
				if err := t.restart(); err != nil {
					return err
				}
			}
		default:
			return transientf("the hub says %d %s", reply.StatusCode, http.StatusText(reply.StatusCode))
		}
		return t.copy(body)
	})
	if r := (*refusal)(nil); errors.As(err, &r) && r.code == http.StatusRequestedRangeNotSatisfiable {
		// The partial file is not part of the file on the hub.
		if err := t.restart(); err != nil {
			return err
		}
		return &transient{error: err}
	}
	if err != nil {
		return err
	}
	if t.done > size {
		if err := t.restart(); err != nil {
			return err
		}
		return transientf("the hub sends more than the %d bytes of the file", size)
	}
	if t.done < size {
		return transientf("%d bytes came: expected %d", t.done, size)
	}
	return nil
}

const (
	chunkSize = 256 << 10
	chunks    = 4
)

// copy writes incoming data to the file and hashes it concurrently, since both take
// about as long.
func (t *transfer) copy(in io.Reader) error {
	free, full := make(chan []byte, chunks), make(chan []byte, chunks)
	for range chunks {
		free <- make([]byte, chunkSize)
	}
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		for b := range full {
			if t.sum != nil {
				t.sum.Write(b)
			}
			free <- b[:chunkSize]
		}
	}()
	defer func() {
		close(full)
		<-hashed
	}()
	// One byte more than expected is enough to detect an excess.
	in = io.LimitReader(in, t.file.size-t.done+1)
	for {
		b := <-free
		n, err := in.Read(b)
		if n > 0 {
			if _, err := t.out.Write(b[:n]); err != nil {
				return err
			}
			t.done += int64(n)
			t.tell(t.file, min(t.done, t.file.size))
		}
		full <- b[:n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
