package compute

import (
	"slices"
	"testing"
)

// filled is a KV cache of so many tokens from first on, of one number each.
func filled(p *PrefixCache, first, tokens int) *KVCache {
	k := p.Begin(nil, 0, tokens)
	for i := range tokens {
		row := Matrix{Data: []float32{float32(first + i)}, Rows: 1, Cols: 1, Stride: 1}
		for layer := range k.layers {
			k.add(layer, row, row)
		}
		k.Extend([]int32{int32(first + i)})
	}
	return k
}

// TestPrefixCacheIsBounded: what is kept stays below the limit, and the least recently
// used goes first.
func TestPrefixCacheIsBounded(t *testing.T) {
	p := NewPrefixCache(2, 1, 0)
	one := filled(p, 0, 100)
	p.SetLimit(5 * one.Bytes())
	p.Put(one)
	p.Done(one)
	for i := 1; i < 40; i++ {
		k := filled(p, 1000*i, 100)
		p.Put(k)
		p.Done(k)
		if got, n := p.Find(one.IDs()); got != one || n != 100 { // it is used all the time
			t.Fatalf("%d tokens of the first are found after %d", n, i)
		}
		p.Done(one)
		size := int64(0)
		for _, k := range p.list {
			size += k.Bytes()
		}
		caches, bytes := p.Stats()
		if size != bytes || size > p.limit || caches != min(i+1, 5) {
			t.Fatalf("%d bytes in %d caches, counted %d, limit %d", size, caches, bytes, p.limit)
		}
	}
}

// TestPrefixCacheFinds the longest beginning, but none that is too short to pay.
func TestPrefixCacheFinds(t *testing.T) {
	p := NewPrefixCache(1, 1, 1<<20)
	a := filled(p, 0, 50)
	p.Put(a)
	b := p.Begin(a, 20, 30) // 20 tokens of a, and others
	for i := range 30 {
		row := Matrix{Data: []float32{float32(500 + i)}, Rows: 1, Cols: 1, Stride: 1}
		b.add(0, row, row)
		b.Extend([]int32{int32(500 + i)})
	}
	p.Put(b)
	ids := slices.Clone(b.IDs())
	for _, c := range []struct {
		ids  []int32
		want *KVCache
		n    int
	}{
		{ids, b, 50}, {ids[:30], b, 30}, {append(slices.Clone(ids[:25]), 7, 7), b, 25},
		{a.IDs(), a, 50}, {ids[:MinPrefix], a, MinPrefix}, {ids[:MinPrefix-1], nil, 0}, {[]int32{9, 9, 9}, nil, 0}, {nil, nil, 0},
	} {
		if got, n := p.Find(c.ids); got != c.want || n != c.n {
			t.Errorf("of %d tokens %d are found", len(c.ids), n)
		} else {
			p.Done(got)
		}
	}
	keys, values := b.rows(0, 50)
	for i, id := range ids {
		if keys.Row(i)[0] != float32(id) || values.Row(i)[0] != float32(id) {
			t.Fatalf("token %d has keys and values of %v", id, keys.Row(i)[0])
		}
	}
	// One that goes on where another ends takes its place.
	c := filled(p, 0, 60)
	p.Put(c)
	if got, n := p.Find(a.IDs()); got != c || n != 50 || len(p.list) != 2 {
		t.Errorf("%d tokens are found, %d caches kept", n, len(p.list))
	}
}

// TestDroppedCachesAreUsedAgain: KV caches that others take the place of leave their
// memory to later ones, but not before those that read them are done.
func TestDroppedCachesAreUsedAgain(t *testing.T) {
	p := NewPrefixCache(3, 1, 0)
	a := filled(p, 0, 100)
	p.SetLimit(a.Bytes())
	p.Put(a)
	p.Done(a)
	if got, n := p.Find(a.IDs()); got != a || n != 100 {
		t.Fatalf("%d tokens are found", n)
	}
	b := filled(p, 1000, 100)
	p.Put(b) // in the place of a, which is read
	p.Done(b)
	if _, bytes := p.Stats(); bytes != b.Bytes() || len(p.list) != 1 {
		t.Fatalf("%d bytes in %d caches", bytes, len(p.list))
	}
	if d := p.Begin(nil, 0, 100); d == a || d == b {
		t.Fatal("memory that is in use is used again")
	}
	p.Done(a)
	if d := p.Begin(nil, 0, 100); d != a || d.Len() != 0 {
		t.Error("memory is not used again, or not empty")
	}
	if d := p.Begin(nil, 0, 100); d == a || d == b {
		t.Error("memory is used twice")
	}
}
