//go:build (amd64 || arm64) && !purego

package kernels

// pointer returns the address of the n numbers of s, or nil if s is nil.
func pointer(s []float32, n int) *float32 {
	if s == nil {
		return nil
	}
	return &s[:n][0]
}
