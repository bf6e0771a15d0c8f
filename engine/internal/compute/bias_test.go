package compute

import "testing"

// TestRelativeBucket compares buckets with those of transformers' T5, which are MPNet's
// as well: each list has the distances at which another one begins.
func TestRelativeBucket(t *testing.T) {
	for _, c := range []struct {
		buckets, farthest int
		bothWays          bool
		want              [][2]int
	}{
		{32, 128, true, [][2]int{{-3000, 15}, {-90, 14}, {-63, 13}, {-45, 12}, {-31, 11}, {-22, 10}, {-15, 9}, {-11, 8}, {-7, 7}, {-6, 6}, {-5, 5},
			{-4, 4}, {-3, 3}, {-2, 2}, {-1, 1}, {0, 0}, {1, 17}, {2, 18}, {3, 19}, {4, 20}, {5, 21}, {6, 22}, {7, 23}, {8, 24}, {12, 25}, {16, 26},
			{23, 27}, {32, 28}, {46, 29}, {64, 30}, {91, 31}}},
		{32, 128, false, [][2]int{{-3000, 31}, {-112, 30}, {-98, 29}, {-86, 28}, {-76, 27}, {-66, 26}, {-58, 25}, {-51, 24}, {-45, 23}, {-39, 22},
			{-34, 21}, {-30, 20}, {-26, 19}, {-23, 18}, {-20, 17}, {-18, 16}, {-15, 15}, {-14, 14}, {-13, 13}, {-12, 12}, {-11, 11}, {-10, 10},
			{-9, 9}, {-8, 8}, {-7, 7}, {-6, 6}, {-5, 5}, {-4, 4}, {-3, 3}, {-2, 2}, {-1, 1}, {0, 0}}},
		{20, 100, false, [][2]int{{-3000, 19}, {-79, 18}, {-63, 17}, {-50, 16}, {-39, 15}, {-31, 14}, {-25, 13}, {-19, 12}, {-15, 11}, {-12, 10},
			{-9, 9}, {-8, 8}, {-7, 7}, {-6, 6}, {-5, 5}, {-4, 4}, {-3, 3}, {-2, 2}, {-1, 1}, {0, 0}}},
		{64, 512, true, [][2]int{{-3000, 31}, {-412, 30}, {-331, 29}, {-267, 28}, {-215, 27}, {-173, 26}, {-139, 25}, {-112, 24}, {-90, 23},
			{-72, 22}, {-58, 21}, {-47, 20}, {-38, 19}, {-30, 18}, {-24, 17}, {-19, 16}, {-15, 15}}},
	} {
		at := 0
		for d := c.want[0][0]; d <= 3000; d++ {
			if at+1 < len(c.want) && c.want[at+1][0] == d {
				at++
			}
			if c.buckets == 64 && d > -15 {
				break
			}
			if got := RelativeBucket(d, c.buckets, c.farthest, c.bothWays); got != c.want[at][1] {
				t.Errorf("distance %d in %d buckets up to %d: %d, want %d", d, c.buckets, c.farthest, got, c.want[at][1])
			}
		}
	}
}

// TestRelativeBias compares attention with its definition, behind a prefix as well.
func TestRelativeBias(t *testing.T) {
	r := weights{newRand()}
	const heads, dim, before, tokens = 2, 8, 40, 700
	bias := NewRelativeBias(r.matrix(32, heads), func(d int) int { return RelativeBucket(d, 32, 128, true) })
	a := NewAttention(heads, dim, AttentionMask{Bias: bias})
	width := heads * dim
	q, k, v := r.matrix(tokens, width), r.matrix(before+tokens, width), r.matrix(before+tokens, width)
	cache := newKVCache(1, width, before)
	cache.add(0, k.Slice(0, before), v.Slice(0, before))
	inTile(t, func(c *Context) {
		c.Batch.Add(0, Sequence{IDs: make([]int32, tokens)}, Prefix{Cache: cache, Tokens: before})
		got := a.Attend(c, QKV{Q: q, K: k.Slice(before, k.Rows), V: v.Slice(before, v.Rows)}, rowsAll)
		for _, row := range []int{0, 1, 350, tokens - 1} {
			for h := range heads {
				from, to := h*dim, (h+1)*dim
				compareAttention(t, got.Row(row)[from:to], q.Row(row)[from:to], k.Columns(from, to), v.Columns(from, to), func(key int) float64 {
					return float64(bias.weights.Row(RelativeBucket(key-before-row, 32, 128, true))[h])
				})
			}
		}
	})
}
