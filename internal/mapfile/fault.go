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
		err = fmt.Errorf("%s: a part of the file cannot be read any more, perhaps because it was cut short meanwhile: %w", path, fault)
	}()
	return read()
}
