package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

// largeBody is the size in bytes above which bodies are parsed one at a time: parsing
// them costs more than most requests do as a whole, and the scheduler does not account
// for it.
const largeBody = 1 << 20

// read parses a request's JSON object and passes its fields to take.
func (s *Server) read(w http.ResponseWriter, r *http.Request, take func(f fields) error) error {
	body, err := readBody(w, r, s.options.MaxBody)
	if err != nil {
		return err
	}
	if len(body) > largeBody {
		select {
		case s.large <- struct{}{}:
			defer func() { <-s.large }()
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
	}
	f, err := parseObject(body)
	if err != nil {
		return err
	}
	return take(f)
}

// readBody reads a request's body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit) // without waiting for any of it
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		bodyRead(w)
		if !zipped(r.Header) {
			return body, nil
		}
		return unzip(body, limit)
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &apiError{Status: http.StatusRequestTimeout, Type: typeInvalid,
			Message: fmt.Sprintf("the request body timed out after %d bytes", len(body))}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, invalid("the request body ends after %d bytes", len(body))
	case r.Context().Err() != nil:
		return nil, errClientGone
	}
	return nil, invalid("the request body could not be read: %v", err)
}

// tooLarge returns the error for a body of more than limit bytes.
func tooLarge(limit int64) error {
	return &apiError{Status: http.StatusRequestEntityTooLarge, Type: typeInvalid,
		Message: fmt.Sprintf("the request body has more than %d bytes (--max-body)", limit)}
}

// unzip returns a gzipped body. However small that is, it unpacks to no more than limit.
func unzip(body []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(z, limit+1))
	}
	switch {
	case err != nil:
		return nil, invalid("the request body is not gzip: %v", err)
	case int64(len(body)) > limit:
		return nil, tooLarge(limit)
	}
	return body, nil
}

func zipped(h http.Header) bool {
	e := strings.ToLower(h.Get("Content-Encoding"))
	return e == "gzip" || e == "x-gzip"
}

// checkContentType accepts what clients label JSON as: curl -d, for one, calls every body
// a form.
func checkContentType(h http.Header) error {
	refuse := func(format string, args ...any) error {
		return &apiError{Status: http.StatusUnsupportedMediaType, Type: typeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" && !zipped(h) {
		return refuse("Content-Encoding %q: expected gzip, or the body uncompressed", e)
	}
	given := h.Get("Content-Type")
	if given == "" {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(given)
	if err != nil {
		return refuse("Content-Type %q: expected application/json", given)
	}
	switch {
	case kind == "application/json", kind == "text/json", kind == "text/plain", kind == "application/x-www-form-urlencoded",
		kind == "application/octet-stream", strings.HasSuffix(kind, "+json"):
	default:
		return refuse("Content-Type %q: expected application/json", given)
	}
	if c := strings.ToLower(parameters["charset"]); c != "" && c != "utf-8" && c != "utf8" && c != "us-ascii" {
		return refuse("charset %q: expected utf-8", parameters["charset"])
	}
	return nil
}

func parseObject(body []byte) (fields, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		at := 0
		for at < len(body) {
			r, n := utf8.DecodeRune(body[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, invalid("the request body is not UTF-8: byte 0x%02x at offset %d", body[at], at)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, invalid("the request body is empty: expected a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil {
		return nil, brokenJSON(body)
	} else if t != json.Delim('{') {
		return nil, invalid("the request body is %s: expected a JSON object", describe(bytes.TrimSpace(body)))
	}
	f := make(fields)
	for n := 0; d.More(); n++ {
		if n == maxFields {
			return nil, invalid("the request has more than %d fields", maxFields)
		}
		name, err := d.Token()
		if err != nil {
			return nil, brokenJSON(body)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, brokenJSON(body)
		}
		f[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, brokenJSON(body)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, brokenJSON(body)
	}
	return f, nil
}

// brokenJSON returns the error for a body that is known not to be JSON.
func brokenJSON(body []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return invalid("the request body is not JSON: %v at offset %d", syntax, syntax.Offset)
	}
	return invalid("the request body is not JSON")
}
