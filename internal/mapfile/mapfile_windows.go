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
	// The view holds its own reference to the mapping.
	defer windows.CloseHandle(h)
	address, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, os.NewSyscallError("MapViewOfFile", err)
	}
	// The address is not Go memory, so the garbage collector neither moves nor frees it;
	// reading it through a pointer avoids vet's warning about uintptr conversions.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size), nil
}

func mapOut(data []byte) error {
	return os.NewSyscallError("UnmapViewOfFile",
		windows.UnmapViewOfFile(uintptr(unsafe.Pointer(unsafe.SliceData(data)))))
}

// release removes the pages from the working set: that is the effect of unlocking pages
// that are not locked. The error, which says that they are not, is ignored.
func release(pages []byte) {
	_ = windows.VirtualUnlock(uintptr(unsafe.Pointer(unsafe.SliceData(pages))), uintptr(len(pages)))
}
