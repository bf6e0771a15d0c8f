package mapfile

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Read runs a function that reads the mapped file called path, and makes an error of a
// page that cannot be read: another program has cut the file short, or the disk has
// failed. Without it that would end the process. It is for what the function reads on
// its own goroutine.
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
