package compute

import (
	"slices"
	"testing"
)

// TestAverageTokens: runs of a type are averaged in their own sequence, a rest at its end
// with the weight that it has, and positions begin anew.
func TestAverageTokens(t *testing.T) {
	inTile(t, func(c *Context) {
		c.Batch.Add(0, Sequence{IDs: []int32{0, 1, 2, 3, 4, 5, 6}, Types: []int32{0, 1, 1, 1, 1, 1, 2}}, Prefix{})
		c.Batch.Add(1, Sequence{IDs: []int32{7, 8}, Types: []int32{0, 2}}, Prefix{})
		c.Batch.Add(2, Sequence{IDs: []int32{9, 10, 11}, Types: []int32{1, 1, 1}}, Prefix{})
		x := c.New(12, 2)
		for i := range x.Rows {
			x.Row(i)[0], x.Row(i)[1] = float32(i), float32(10*i)
		}
		y := c.AverageTokens(x, 1, 2)
		want := []float32{0, 1.5, 3.5, 5, 6, 7, 8, 9.5, 11}
		if y.Rows != len(want) {
			t.Fatalf("%d rows, want %d", y.Rows, len(want))
		}
		for i, w := range want {
			if y.Row(i)[0] != w || y.Row(i)[1] != 10*w {
				t.Errorf("row %d is %v, want %v", i, y.Row(i), w)
			}
		}
		b := &c.Batch
		if !slices.Equal(b.Offsets, []int32{0, 5, 7, 9}) || !slices.Equal(b.Positions, []int32{0, 1, 2, 3, 4, 0, 1, 0, 1}) ||
			!slices.Equal(b.Types, []int32{0, 1, 1, 1, 2, 0, 2, 1, 1}) || !slices.Equal(b.Visible, []int32{5, 2, 2}) || len(b.IDs) != len(want) {
			t.Errorf("the batch is %+v", b)
		}
	})
}
