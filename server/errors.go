package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// An apiError is an error as sent to the client.
type apiError struct {
	Status     int
	Type       string
	Message    string
	RetryAfter time.Duration  // for 429 and 503
	Extra      map[string]any // additional members of the error object
	Empty      bool           // the error is an empty list, for which TEI has a name of its own
}

func (e *apiError) Error() string { return e.Message }

// Types of errors.
const (
	typeInvalid        = "invalid_request_error"
	typeAuthentication = "authentication_error"
	typeNotFound       = "not_found_error"
	typeNotSupported   = "not_supported_error"
	typeUnavailable    = "unavailable_error"
	typeContextSize    = "exceed_context_size_error"
	typeServer         = "server_error"
)

// invalid returns an error of status 400.
func invalid(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: typeInvalid, Message: fmt.Sprintf(format, args...)}
}

func notSupported(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusNotImplemented, Type: typeNotSupported, Message: fmt.Sprintf(format, args...)}
}

func unavailable(retry time.Duration, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusServiceUnavailable, Type: typeUnavailable, Message: fmt.Sprintf(format, args...), RetryAfter: retry}
}

// errClientGone ends a request whose client has hung up. Nobody reads it.
var errClientGone = errors.New("the client disconnected")

// asAPIError converts err to the error that the client sees.
func asAPIError(err error) *apiError {
	var api *apiError
	switch {
	case errors.As(err, &api):
		return api
	case errors.Is(err, errClientGone), errors.Is(err, context.Canceled):
		return &apiError{Status: statusClientGone, Type: typeUnavailable, Message: errClientGone.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable(time.Second, "the request exceeded its time limit")
	case errors.Is(err, winnow.ErrNoRoom), errors.Is(err, winnow.ErrTooMuch):
		return invalid("%s", strings.TrimPrefix(err.Error(), "winnow: "))
	case errors.As(err, new(stackTracer)):
		return errInternal()
	}
	return &apiError{Status: http.StatusInternalServerError, Type: typeServer, Message: strings.TrimPrefix(err.Error(), "winnow: ")}
}

// errInternal returns the error for a panic.
func errInternal() *apiError {
	return &apiError{Status: http.StatusInternalServerError, Type: typeServer, Message: "internal error; see the server log"}
}

// tooLong returns the error for element i of a field, a text of too many tokens.
func tooLong(field string, i int, with string, long *winnow.TooLongError) *apiError {
	return contextSize(long.Tokens, long.Limit, "%s[%d] has %d tokens%s; at most %d are accepted, and truncation is off",
		field, i, long.Tokens, with, long.Limit)
}

// contextSize returns the error for input of more tokens than the model takes.
func contextSize(tokens, limit int, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: typeContextSize, Message: fmt.Sprintf(format, args...),
		Extra: map[string]any{"n_prompt_tokens": tokens, "n_ctx": limit}}
}

// statusClientGone appears in logs and metrics for requests whose client has gone. It is
// never sent.
const statusClientGone = 499

// members returns the members that all error objects have.
func (e *apiError) members() map[string]any {
	return map[string]any{"code": e.Status, "message": e.Message, "type": e.Type}
}

// writeError writes an error in the form of all dialects that have none of their own.
func writeError(w http.ResponseWriter, e *apiError) {
	body := e.members()
	maps.Copy(body, e.Extra)
	errorHeader(w, e)
	writeJSON(w, e.Status, map[string]any{"error": body})
}

// errorHeader sets the headers of an error and records it for the log.
func errorHeader(w http.ResponseWriter, e *apiError) {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.RetryAfter.Seconds())))))
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	noteError(w, e)
}
