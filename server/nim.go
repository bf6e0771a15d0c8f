package server

import "net/http"

// nim is the dialect of NVIDIA's reranking services, which call documents passages and
// return logits.
var nim = &rankDialect{
	documents: "passages",
	top:       []string{"top_n"},
	more:      func(_ *reader, q *rankRequest) { q.raw = true },
	reply: func(a *ranked, _ http.Header) any {
		best := a.best()
		reply := nimReply{Rankings: make([]nimRanking, len(best)), Usage: usageOf(a.tokens)}
		for i, r := range best {
			reply.Rankings[i] = nimRanking{r.Index, r.Logit}
		}
		return reply
	},
}

type nimReply struct {
	Rankings []nimRanking `json:"rankings"`
	Usage    usage        `json:"usage"`
}

type nimRanking struct {
	Index int     `json:"index"`
	Logit float64 `json:"logit"`
}
