package mapfile

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Read calls read, which reads the mapped file path. If a page cannot be read, because
// another program has truncated the file or the disk has failed, it returns an error;
// otherwise that would end the process. It covers only reads on the same goroutine.
func Read(path string, read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		fault, ok := p.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok {
			panic(p)
		}
		err = fmt.Errorf("%s: part of the file can no longer be read, perhaps because it was truncated meanwhile: %w", path, fault)
	}()
	return read()
}
