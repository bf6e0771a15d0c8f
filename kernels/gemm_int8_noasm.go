//go:build purego || (!amd64 && !arm64)

package kernels

func (s intShape) height(rows int) int { return rows }

func (s intShape) tile(t *intTile) { multiplyIntPortable(t, s.cols) }

// widenBytes is for shapes with canWiden; there are none here.
func widenBytes([]int16, []int8) {}
