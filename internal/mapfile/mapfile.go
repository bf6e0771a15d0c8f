package mapfile

import (
	"fmt"
	"math"
	"os"
	"sync"
	"unsafe"
)

// A File is a file's content in memory. It is safe for concurrent use, except that Data
// must not be read after Close.
//
// If another program truncates a mapped file, reading past its new end terminates the
// process, except within Read. Replace model files by renaming a new one over them, not
// by writing into them.
type File struct {
	path  string
	data  []byte
	close sync.Once
	err   error
}

// Open maps the whole of the named file. It must be a regular file or a symbolic link
// to one. An empty file has empty Data.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, &os.PathError{Op: "map", Path: path, Err: fmt.Errorf("is a directory")}
	case !info.Mode().IsRegular():
		return nil, &os.PathError{Op: "map", Path: path, Err: fmt.Errorf("is not a regular file (%v)", info.Mode().Type())}
	case info.Size() > math.MaxInt:
		return nil, &os.PathError{Op: "map", Path: path, Err: fmt.Errorf("%d bytes exceed this machine's address space", info.Size())}
	case info.Size() == 0:
		return &File{path: path}, nil
	}
	data, err := mapIn(f, int(info.Size()))
	if err != nil {
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	return &File{path: path, data: data}, nil
}

// Path returns the name that was passed to Open.
func (f *File) Path() string { return f.path }

// Data returns the file's content. Writing to it terminates the process.
func (f *File) Data() []byte { return f.data }

// Release tells the operating system that part, a slice of Data, will not be read soon,
// so that its pages no longer count as the process's memory. It may be read again, from
// the page cache or the disk. Slices of other memory are ignored.
func (f *File) Release(part []byte) {
	if len(part) == 0 || len(f.data) == 0 {
		return
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if from < base || from-base > uintptr(len(f.data)-len(part)) || len(part) > len(f.data) {
		return
	}
	// Only whole pages: those at the ends also hold bytes of other tensors.
	page := os.Getpagesize()
	begin := (int(from-base) + page - 1) / page * page
	end := (int(from-base) + len(part)) / page * page
	if begin < end {
		release(f.data[begin:end])
	}
}

// Close unmaps the file. Later calls do nothing and return the result of the first.
func (f *File) Close() error {
	f.close.Do(func() {
		data := f.data
		f.data = nil
		if data == nil {
			return
		}
		if err := mapOut(data); err != nil {
			f.err = &os.PathError{Op: "unmap", Path: f.path, Err: err}
		}
	})
	return f.err
}
