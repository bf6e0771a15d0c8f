package hub

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A client sends requests to one hub.
type client struct {
	http     http.Client
	endpoint *url.URL
	token    string
	silence  time.Duration
	pause    time.Duration // before the first retry
	answered atomic.Bool   // the hub has answered at least once
}

const (
	maxReply     = 32 << 20 // limit of a reply that describes a repository, in bytes
	maxRedirects = 10
	maxPause     = time.Minute
)

// transport is shared by all clients so that connections are reused.
var transport = func() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ReadBufferSize = 64 << 10
	t.MaxIdleConnsPerHost = parallel
	return t
}()

func (s *Source) client() (*client, error) {
	name, address := "the hub's address", s.Endpoint
	if address == "" {
		name, address = "HF_ENDPOINT", os.Getenv("HF_ENDPOINT")
	}
	if address == "" {
		address = DefaultEndpoint
	}
	endpoint, err := parseEndpoint(name, address)
	if err != nil {
		return nil, err
	}
	c := &client{endpoint: endpoint, token: s.Token, silence: s.Silence, pause: s.pause}
	if c.token == "" {
		c.token = TokenFromEnv(os.Getenv)
	}
	if c.silence <= 0 {
		c.silence = 30 * time.Second
	}
	if c.pause <= 0 {
		c.pause = 500 * time.Millisecond
	}
	c.http = http.Client{Transport: transport, CheckRedirect: c.redirect}
	return c, nil
}

// redirect follows the hub's redirects to its storage of large files, but sends the
// user's token to no other scheme, host or port, nor back from there: net/http would
// send it to other ports and to subdomains.
func (c *client) redirect(r *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &permanent{fmt.Errorf("the hub redirects more than %d times", maxRedirects)}
	}
	if c.endpoint.Scheme == "https" && r.URL.Scheme != "https" {
		return &permanent{errors.New("the hub redirects from https to " + strconv.Quote(r.URL.Scheme))}
	}
	away := !sameOrigin(r.URL, c.endpoint)
	for _, v := range via {
		away = away || !sameOrigin(v.URL, c.endpoint)
	}
	if away {
		r.Header.Del("Authorization")
		if r.Method == http.MethodHead {
			return http.ErrUseLastResponse // the hub's own reply describes the file
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// errSilent ends a request that receives no data.
var errSilent = errors.New("the hub sent nothing")

// A transient error may disappear on a retry: the hub is overloaded or the connection was
// lost.
type transient struct {
	error
	after time.Duration // as requested by the hub
}

func (p *transient) Unwrap() error { return p.error }

func transientf(format string, args ...any) error {
	return &transient{error: fmt.Errorf(format, args...)}
}

// A permanent error is not worth a retry.
type permanent struct{ error }

// do sends a request and passes the reply to read. It fails with a transient error if no
// data arrives for the duration of silence, including in read.
func (c *client) do(ctx context.Context, method, address string, header http.Header, read func(*http.Response, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(c.silence, func() { cancel(fmt.Errorf("%w for %v", errSilent, c.silence)) })
	defer timer.Stop()
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "winnow")
	// Sizes and ranges refer to the file, not to a compressed form of it.
	r.Header.Set("Accept-Encoding", "identity")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	reply, err := c.http.Do(r)
	if err != nil {
		return c.network(ctx, err)
	}
	defer reply.Body.Close()
	c.answered.Store(true)
	timer.Reset(c.silence)
	if err := statusError(reply); err != nil {
		return err
	}
	body := &timed{reply.Body, timer, c.silence, nil}
	err = read(reply, body)
	if body.err != nil && err != nil {
		return c.network(ctx, body.err)
	}
	return err
}

// timed resets the timer of silence on every read.
type timed struct {
	io.Reader
	timer   *time.Timer
	silence time.Duration
	err     error // a network error
}

func (t *timed) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if n > 0 {
		t.timer.Reset(t.silence)
	}
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// network converts the error of a request without a complete reply.
func (c *client) network(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errSilent) {
			return &transient{error: cause}
		}
		return cause
	}
	// The address of a file may contain a signature that grants access to it.
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" && !c.answered.Load() {
		return fmt.Errorf("%s cannot be reached (HF_ENDPOINT names another hub): %w", c.endpoint.Redacted(), err)
	}
	if untrusted, last := (*tls.CertificateVerificationError)(nil), (*permanent)(nil); errors.As(err, &untrusted) || errors.As(err, &last) {
		return err
	}
	return &transient{error: err}
}

// statusError converts an error status of the hub.
func statusError(reply *http.Response) error {
	code := reply.StatusCode
	if code < 400 {
		return nil
	}
	refused := &refusal{code, reply.Header.Get("X-Error-Code")}
	if code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500 {
		p := &transient{error: refused}
		if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil && seconds > 0 {
			p.after = min(time.Duration(min(seconds, 3600))*time.Second, maxPause)
		}
		return p
	}
	return refused
}

// A refusal is an error status of the hub. Its text is ours, because the hub's could
// contain anything.
type refusal struct {
	code int
	kind string // X-Error-Code: RepoNotFound, RevisionNotFound, GatedRepo, …
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the hub says %d %s", r.code, http.StatusText(r.code))
}

// maxFailures is the maximum number of consecutive failures without progress.
const maxFailures = 5

// retry calls step until it succeeds, with increasing pauses, as long as its errors are
// transient. step reports whether it made progress; note receives each error that is
// retried.
func (c *client) retry(ctx context.Context, note func(error), step func() (headway bool, err error)) error {
	for failures := 1; ; failures++ {
		headway, err := step()
		var p *transient
		if err == nil || !errors.As(err, &p) || ctx.Err() != nil {
			return err
		}
		if headway {
			failures = 1
		}
		if failures >= maxFailures {
			return err
		}
		note(err)
		pause := time.NewTimer(max(p.after, min(c.pause<<(failures-1), maxPause)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// repository is the hub's description of a repository.
type repository struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Name string `json:"rfilename"`
		Size int64  `json:"size"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
		Blob string `json:"blobId"`
	} `json:"siblings"`
}

func (c *client) repository(ctx context.Context, ref Ref, note func(error)) (*repository, error) {
	address := c.endpoint.String() + "/api/models/" + ref.Repo + "/revision/" + url.PathEscape(ref.revision()) + "?blobs=true"
	var repo repository
	err := c.retry(ctx, note, func() (bool, error) {
		return false, c.do(ctx, http.MethodGet, address, nil, func(_ *http.Response, body io.Reader) error {
			repo = repository{}
			if err := json.NewDecoder(io.LimitReader(body, maxReply)).Decode(&repo); err != nil {
				return transientf("the hub's list of files: %w", err)
			}
			return nil
		})
	})
	var r *refusal
	switch {
	case err == nil:
		return &repo, nil
	case !errors.As(err, &r):
	case r.kind == "RevisionNotFound":
		return nil, fmt.Errorf("%s: the hub has no revision %s", ref.Repo, ref.revision())
	case r.code == http.StatusNotFound && ref.Revision != "":
		return nil, fmt.Errorf("%s: the hub has no such model, or no revision %s", ref.Repo, ref.Revision)
	case r.code == http.StatusNotFound:
		return nil, fmt.Errorf("%s: the hub has no such model", ref.Repo)
	case r.kind == "GatedRepo":
		return nil, fmt.Errorf("%s: its authors require consent: accept the terms on the model's page and set HF_TOKEN to a token with access (%w)", ref.Repo, r)
	case r.code == http.StatusUnauthorized || r.code == http.StatusForbidden:
		return nil, fmt.Errorf("%s: no such model, or it is not public: set HF_TOKEN to a token with access (%w)", ref.Repo, r)
	}
	return nil, fmt.Errorf("%s: %w", ref.Repo, err)
}

// address returns the URL of a file at a commit.
func (c *client) address(ref Ref, commit, name string) string {
	return c.endpoint.String() + "/" + ref.Repo + "/resolve/" + commit + "/" + (&url.URL{Path: name}).EscapedPath()
}

var plainTag = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// describe requests the details of a file that the list of some mirrors omits.
func (c *client) describe(ctx context.Context, address string, f *remoteFile, note func(error)) error {
	return c.retry(ctx, note, func() (bool, error) {
		return false, c.do(ctx, http.MethodHead, address, nil, func(reply *http.Response, _ io.Reader) error {
			size := reply.Header.Get("X-Linked-Size")
			if size == "" && reply.StatusCode == http.StatusOK {
				size = reply.Header.Get("Content-Length")
			}
			if n, err := strconv.ParseInt(size, 10, 64); err == nil && n >= 0 {
				f.size = n
			}
			tag := func(header string) string {
				return strings.Trim(strings.TrimPrefix(reply.Header.Get(header), "W/"), `"`)
			}
			// If there is a linked tag, only it is a hash of the contents.
			if linked := strings.ToLower(tag("X-Linked-Etag")); len(linked) == 64 && isHex(linked) {
				f.hash, f.blob = linked, linked
			} else if t := tag("ETag"); plainTag.MatchString(t) {
				f.blob = t
			}
			return nil
		})
	})
}
