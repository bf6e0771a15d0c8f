package mapfile

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func mapIn(f *os.File, size int) ([]byte, error) {
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY,
		uint32(uint64(size)>>32), uint32(size), nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateFileMapping", err)
	}
	// The view holds a reference of its own to the mapping.
	defer windows.CloseHandle(h)
	address, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, os.NewSyscallError("MapViewOfFile", err)
	}
	// The address is not Go's memory, so the collector neither moves nor frees
	// it; reading it through a pointer keeps vet from taking it for arithmetic.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size), nil
}

func mapOut(data []byte) error {
	return os.NewSyscallError("UnmapViewOfFile",
		windows.UnmapViewOfFile(uintptr(unsafe.Pointer(unsafe.SliceData(data)))))
}

// release takes the pages out of the working set, which is what unlocking pages
// that were not locked does; the error says that they were not.
func release(pages []byte) {
	_ = windows.VirtualUnlock(uintptr(unsafe.Pointer(unsafe.SliceData(pages))), uintptr(len(pages)))
}
