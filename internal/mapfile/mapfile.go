package mapfile

import (
	"fmt"
	"math"
	"os"
	"sync"
	"unsafe"
)

// A File is a file's content in memory. It is safe for concurrent use, except
// that nothing may read Data once Close has been called.
//
// A file that another program cuts short while it is mapped can no longer be
// read past its new end: the operating system then ends the process, unless the
// goroutine that reads is prepared for it (see Read). Replace model files by
// renaming a new one over them, not by writing into them.
type File struct {
	path  string
	data  []byte
	close sync.Once
	err   error
}

// Open maps the whole of the named file. It must be a regular file (a symbolic
// link to one will do). An empty file gives empty Data.
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
		return nil, &os.PathError{Op: "map", Path: path, Err: fmt.Errorf("%d bytes are too many for this machine's address space", info.Size())}
	case info.Size() == 0:
		return &File{path: path}, nil
	}
	data, err := mapIn(f, int(info.Size()))
	if err != nil {
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	return &File{path: path, data: data}, nil
}

// Path is the name that Open was given.
func (f *File) Path() string { return f.path }

// Data is the file's content. Writing to it ends the process.
func (f *File) Data() []byte { return f.data }

// Release tells the operating system that part, a slice of Data, will not be
// read soon, so that its pages no longer count as the process's memory. It may
// be read again, from the page cache or the disk. A part of other memory is
// left alone.
func (f *File) Release(part []byte) {
	if len(part) == 0 || len(f.data) == 0 {
		return
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if from < base || from-base > uintptr(len(f.data)-len(part)) || len(part) > len(f.data) {
		return
	}
	// Only whole pages: the ones at the ends hold other tensors' bytes too.
	page := os.Getpagesize()
	begin := (int(from-base) + page - 1) / page * page
	end := (int(from-base) + len(part)) / page * page
	if begin < end {
		release(f.data[begin:end])
	}
}

// Close gives the mapping back. Calls after the first do nothing and return
// what the first did.
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
