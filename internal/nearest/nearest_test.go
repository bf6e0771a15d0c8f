package nearest

import "testing"

func TestOf(t *testing.T) {
	known := []string{"/v1/rerank", "/v2/rerank", "/rerank", "/health"}
	for _, c := range []struct {
		name string
		most int
		want string
	}{
		{"/v1/rerank", 0, "/v1/rerank"}, {"/v1/rernk", 2, "/v1/rerank"}, {"/v2/reranks", 3, "/v2/rerank"}, {"/v3/rerank", 2, "/v1/rerank"},
		{"/healthz", 1, "/health"}, {"/healthz", 0, ""}, {"", 3, ""}, {"/nothing", 3, ""},
	} {
		if got := Of(c.name, known, c.most); got != c.want {
			t.Errorf("%q within %d: %q, want %q", c.name, c.most, got, c.want)
		}
	}
}
