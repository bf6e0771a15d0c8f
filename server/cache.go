package server

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/winnow-rerank/winnow"
)

// A scoreCache keeps the scores of the most recently requested pairs.
type scoreCache struct {
	limit int

	mu     sync.Mutex
	by     map[cacheKey]*list.Element
	recent *list.List // of *cached, the latest first
}

// A cacheKey identifies a model, a query, a document and how they are read. It is a
// cryptographic hash, so that no client can construct two pairs that share a key.
type cacheKey [sha256.Size]byte

type cached struct {
	key       cacheKey
	result    winnow.Result
	chunk     chunk
	truncated bool
	read      *extent // of a truncated document; nil if no request asked for it
}

// answers reports whether v holds everything that a request asks for.
func (v *cached) answers(q *rankRequest) bool {
	return !q.fresh && (v.read != nil || !q.details || !v.truncated || v.chunk.Of > 0)
}

// newScoreCache returns a cache of limit scores, or nil if limit is 0.
func newScoreCache(limit int) *scoreCache {
	if limit <= 0 {
		return nil
	}
	return &scoreCache{limit: limit, by: make(map[cacheKey]*list.Element), recent: list.New()}
}

// A keyer makes the keys of a query's pairs.
type keyer struct{ prefix [sha256.Size]byte }

// newKeyer is specific to an instance of a model, by its serial number: a reload may put
// another model under the same name.
func newKeyer(serial uint64, query string, q *rankRequest) keyer {
	o := &q.options
	h := sha256.New()
	for _, s := range []string{query, o.Instruction} {
		_ = binary.Write(h, binary.LittleEndian, int64(len(s)))
		h.Write([]byte(s))
	}
	flags := int64(o.Truncation) << 1
	if o.PlainText {
		flags |= 1
	}
	chunks := -1
	if q.chunk {
		chunks = q.chunks
	}
	_ = binary.Write(h, binary.LittleEndian, []int64{int64(serial), int64(o.MaxTokens), int64(o.MaxQueryTokens), int64(o.MaxDocumentTokens), int64(chunks), flags})
	var k keyer
	h.Sum(k.prefix[:0])
	return k
}

func (k *keyer) key(document string) cacheKey {
	if len(document) <= 2048 {
		var buffer [sha256.Size + 2048]byte
		n := copy(buffer[:], k.prefix[:])
		n += copy(buffer[n:], document)
		return sha256.Sum256(buffer[:n])
	}
	h := sha256.New()
	h.Write(k.prefix[:])
	h.Write([]byte(document))
	var key cacheKey
	h.Sum(key[:0])
	return key
}

func (c *scoreCache) get(key cacheKey) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[key]
	if !ok {
		return cached{}, false
	}
	c.recent.MoveToFront(e)
	return *e.Value.(*cached), true
}

func (c *scoreCache) put(v cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.by[v.key]; ok {
		c.recent.MoveToFront(e)
		if v.read != nil { // nothing else can have changed
			*e.Value.(*cached) = v
		}
		return
	}
	if c.recent.Len() >= c.limit {
		last := c.recent.Back()
		old := last.Value.(*cached)
		delete(c.by, old.key)
		*old = v
		c.recent.MoveToFront(last)
		c.by[v.key] = last
		return
	}
	c.by[v.key] = c.recent.PushFront(&v)
}

func (c *scoreCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}
