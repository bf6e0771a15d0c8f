package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// soakAbuse are what hostile clients do under TestSoak, each with the statuses that are
// right. 429 is right for all of them: one client does not get all places.
var soakAbuse = []struct {
	name     string
	do       func(host string) (status int, err error)
	statuses []int
}{
	{"a body that never comes", rawText("POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", false), []int{408}},
	{"a body that never comes to a path that is none", rawText("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", false), []int{404}},
	{"a body that ends early", rawText("POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", true), []int{400}},
	{"a length of all there is", rawText("POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n{", false), []int{413}},
	{"two lengths", rawText("POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}}", false), []int{400}},
	{"chunks without end", chunks, []int{413, 0}},
	{"headers that do not end", slowHeaders, []int{0}},
	{"headers of a megabyte", rawText("GET /health HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("a", 2<<20)+"\r\n\r\n", false), []int{431, 0}},
	{"probabilities by the million", posted("/completion", `{"model":"qwen3-reranker","prompt":[`+strings.Repeat(`"a",`, 15)+`"a"],"n_probs":10000,"ignore_eos":true,"n_predict":400}`), []int{400}},
	{"more prompts than can be", posted("/completion", `{"model":"qwen3-reranker","prompt":[`+strings.Repeat(`"a",`, 50_000)+`"a"]}`), []int{400, 413}},
	{"an instruction beyond the window", posted("/v1/rerank", `{"model":"jina-v3","query":"q","documents":["a"],"instruction":"`+strings.Repeat("go on ", 8000)+`"}`), []int{200, 400}},
	{"marks within marks", posted("/v1/rerank", `{"model":"jina-v3","query":"<|rerank_<|rerank_token|>token|>","documents":["<|embed_<|embed_token|>token|>","a"],"instruction":"<|embed_token|>"}`), []int{200}},
	{"a nest of brackets", posted("/v1/rerank", `{"query":"q","documents":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`), []int{400}},
	{"a bomb in gzip", bomb, []int{400, 413, 415}},
	{"texts that end special tokens", posted("/v1/rerank", `{"query":"[SEP] [CLS] </s> <|im_end|>","documents":["`+strings.Repeat("[SEP]", 3000)+`"]}`), []int{200}},
	{"a stream that nobody reads", unread, []int{200}},
}

// rawText sends text over a connection of its own, ends its half of that if it is to, and
// reads the answer: status 0 where the server only closes.
func rawText(text string, end bool) func(host string) (int, error) {
	return func(host string) (int, error) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.WriteString(conn, text)
		if end && err == nil {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		if isTimeout(err) {
			return 0, err
		}
		return answered(conn)
	}
}

// answered is the status of an answer, behind which the connection is closed.
func answered(conn net.Conn) (int, error) {
	in := bufio.NewReader(conn)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		if isTimeout(err) {
			return 0, err
		}
		return 0, nil // closed
	}
	if _, err := io.Copy(io.Discard, r.Body); isTimeout(err) {
		return 0, err
	}
	if _, err := in.ReadByte(); isTimeout(err) {
		return r.StatusCode, fmt.Errorf("the connection stays open: %w", err)
	}
	return r.StatusCode, nil
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func chunks(host string) (int, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(conn, "POST /v1/rerank HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for n := 0; err == nil && n < 2*soakMaxBody; n += 4096 {
		_, err = io.WriteString(conn, "1000\r\n"+strings.Repeat(" ", 4096)+"\r\n")
	}
	if isTimeout(err) {
		return 0, err
	}
	return answered(conn)
}

func slowHeaders(host string) (int, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /v1/rerank HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	for range 20 {
		if err == nil {
			time.Sleep(5 * time.Millisecond)
			_, err = io.WriteString(conn, "a")
		}
	}
	return 0, err
}

// posted is a request as clients' libraries make it.
func posted(path, body string) func(host string) (int, error) {
	return func(host string) (int, error) { return post(host, path, "", strings.NewReader(body)) }
}

func post(host, path, encoding string, body io.Reader) (int, error) {
	q, err := http.NewRequest("POST", "http://"+host+path, body)
	if err != nil {
		return 0, err
	}
	q.Close = true
	q.Header.Set("Content-Type", "application/json")
	if encoding != "" {
		q.Header.Set("Content-Encoding", encoding)
	}
	w, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return 0, err
	}
	defer w.Body.Close()
	_, err = io.Copy(io.Discard, w.Body)
	return w.StatusCode, err
}

// bomb is some kilobytes that become 64 MB.
func bomb(host string) (int, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"query":"q","documents":["`)
	for range 64 {
		_, _ = z.Write(bytes.Repeat([]byte("a"), 1<<20))
	}
	_ = z.Close()
	return post(host, "/v1/rerank", "gzip", &b)
}

func unread(host string) (int, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	body := `{"model":"qwen3-reranker","prompt":"a","stream":true,"n_predict":200,"ignore_eos":true,"n_probs":40}`
	_, err = fmt.Fprintf(conn, "POST /completion HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		return 0, err
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r, err := http.ReadResponse(bufio.NewReaderSize(conn, 1), nil)
	if err != nil {
		return 0, err
	}
	time.Sleep(20 * time.Millisecond)
	return r.StatusCode, nil
}
