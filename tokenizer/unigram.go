package tokenizer

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// unigram splits a piece so that the sum of the scores is maximal.
type unigram struct {
	vocabulary
	scores       []float64
	worst        float64        // the lowest score of a piece
	unknown      int32          // -1: none
	unknownScore float64        // of a character that is not a piece
	bytes        []int32        // ids of the 256 byte pieces; nil: no byte fallback
	special      map[int32]bool // ids that plain text must not produce
}

// unknownPenalty is how far the score of an unknown character is below that of the
// worst piece.
const unknownPenalty = 10

// unigramScratch holds the best path to each position of a piece.
type unigramScratch struct {
	nodes []unigramNode
}

type unigramNode struct {
	score float64
	id    int32 // of the piece that ends here
	start int32 // where it starts; -1: unreachable
}

func newUnigram(r *jsonReader) (model, error) {
	m := &unigram{worst: math.Inf(1)}
	fallback := false
	unknown := int64(-1)
	r.object(func(key []byte) {
		switch string(key) {
		case "unk_id":
			r.field = "model.unk_id"
			if !r.null() {
				unknown = int64(r.id())
			}
		case "byte_fallback":
			r.field = "model.byte_fallback"
			if !r.null() {
				fallback = r.bool()
			}
		case "vocab":
			r.field = "model.vocab"
			m.reserve(len(r.data))
			m.scores = make([]float64, 0, cap(m.ends))
			r.array(func(i int) {
				r.array(func(j int) {
					switch j {
					case 0:
						m.add(r.str(), int32(i))
					case 1:
						m.score(r.float())
					default:
						r.fail("a third member of a vocabulary entry", "a piece and its score")
					}
				})
				if r.err == nil && (len(m.ends) != i+1 || len(m.scores) != i+1) {
					r.fail("an incomplete vocabulary entry", "a piece and its score")
				}
			})
		default:
			r.raw()
		}
		r.field = "model"
	})
	if r.err != nil {
		return nil, r.err
	}
	if err := m.finish(r.path, "model", unknown, fallback); err != nil {
		return nil, err
	}
	return m, nil
}

// number finds a piece by its spelling before the vocabulary is indexed; -1 if it is
// missing.
func (m *unigram) number(piece string) int64 {
	for i := range m.ends {
		if m.spelling(i) == piece {
			return int64(i)
		}
	}
	return -1
}

// score adds the score of the latest piece.
func (m *unigram) score(s float64) {
	m.scores = append(m.scores, s)
	m.worst = min(m.worst, s)
}

// finish indexes the vocabulary after pieces and scores are read. field names it in
// errors; unknown is -1 if there is no unknown piece.
func (m *unigram) finish(path, field string, unknown int64, fallback bool) error {
	if len(m.ends) == 0 {
		return &fault.FormatError{Path: path, Field: field + ".vocab", Offset: -1, Found: "no pieces", Want: "at least one"}
	}
	if unknown >= int64(len(m.ends)) {
		return &fault.FormatError{Path: path, Field: field + ".unk_id", Offset: -1,
			Found: strconv.FormatInt(unknown, 10), Want: fmt.Sprintf("less than the %d pieces", len(m.ends))}
	}
	m.unknown = int32(unknown)
	m.unknownScore = m.worst - unknownPenalty
	m.index()
	if fallback {
		m.bytes = make([]int32, 256)
		for b := range m.bytes {
			m.bytes[b] = m.trie.find(fmt.Sprintf("<0x%02X>", b))
		}
	}
	return nil
}

func (m *unigram) encode(dst []int32, piece []byte, s *scratch) []int32 {
	if len(piece) > len(cachedWord{}.text) {
		return m.best(dst, piece, s)
	}
	hash := maphash.Bytes(hashSeed, piece)
	if s.plain {
		hash ^= 1 << 63 // a separate cache entry, because the ids can differ
	}
	c := s.cached(hash)
	if c.holds(hash, piece) {
		return append(dst, c.ids[:c.n]...)
	}
	before := len(dst)
	dst = m.best(dst, piece, s)
	c.keep(hash, piece, dst[before:])
	return dst
}

// best appends the ids of the best segmentation of piece.
func (m *unigram) best(dst []int32, piece []byte, s *scratch) []int32 {
	if cap(s.unigram.nodes) < len(piece)+1 {
		s.unigram.nodes = make([]unigramNode, len(piece)+len(piece)/2+64)
	}
	nodes := s.unigram.nodes[:len(piece)+1]
	for i := range nodes {
		nodes[i].start = -1
	}
	nodes[0].score = 0
	units, plain := m.trie.units, s.plain
	for start := 0; start < len(piece); {
		size := 1
		if piece[start] >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(piece[start:])
		}
		here := nodes[start].score
		single := false
		node := uint32(0)
		for i := start; i < len(piece); i++ {
			child := units[node].base ^ uint32(piece[i])
			if units[child].check != node {
				break
			}
			node = child
			id := units[node].value
			if id < 0 || plain && m.special[id] {
				continue
			}
			to := &nodes[i+1]
			if score := here + m.scores[id]; to.start < 0 || score > to.score {
				*to = unigramNode{score, id, int32(start)}
			}
			single = single || i+1-start == size
		}
		if !single {
			to := &nodes[start+size]
			if score := here + m.unknownScore; to.start < 0 || score > to.score {
				*to = unigramNode{score, m.unknown, int32(start)}
			}
		}
		start += size
	}
	begin := len(dst)
	for end := len(piece); end > 0; {
		n := nodes[end]
		start := int(n.start)
		if n.id == m.unknown {
			// Adjacent unknown characters form one piece.
			for start > 0 && nodes[start].id == m.unknown {
				start = int(nodes[start].start)
			}
			dst = m.appendUnknown(dst, piece[start:end], plain)
		} else {
			dst = append(dst, n.id)
		}
		end = start
	}
	slices.Reverse(dst[begin:])
	return dst
}

// appendUnknown appends the ids of an unknown run in reverse order.
func (m *unigram) appendUnknown(dst []int32, piece []byte, plain bool) []int32 {
	if id := m.trie.find(view(piece)); id >= 0 && (!plain || !m.special[id]) {
		return append(dst, id)
	}
	if m.bytes != nil {
		begin := len(dst)
		for i := len(piece) - 1; i >= 0 && m.bytes[piece[i]] >= 0; i-- {
			dst = append(dst, m.bytes[piece[i]])
		}
		if len(dst)-begin == len(piece) {
			return dst
		}
		dst = dst[:begin]
	}
	if m.unknown < 0 {
		return dst // the vocabulary has no unknown token
	}
	return append(dst, m.unknown)
}
