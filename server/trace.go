package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TraceOptions says where spans are sent, as OTLP in JSON over HTTP.
type TraceOptions struct {
	URL     string            // traces endpoint of the collector, such as http://localhost:4318/v1/traces
	Headers map[string]string // added to every request
	Service string            // service.name
	Version string            // service.version
}

// TraceFromEnv reads OpenTelemetry's usual variables: OTEL_SDK_DISABLED,
// OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, …_TRACES_ENDPOINT, …_HEADERS,
// OTEL_EXPORTER_OTLP_PROTOCOL and OTEL_SERVICE_NAME. Without an endpoint nothing is sent.
// The protocol grpc is an error.
func TraceFromEnv(getenv func(string) string) (TraceOptions, error) {
	o := TraceOptions{Service: getenv("OTEL_SERVICE_NAME")}
	if o.Service == "" {
		o.Service = "winnow"
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return o, nil
	}
	url := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if url == "" {
		if base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); base != "" {
			url = strings.TrimSuffix(base, "/") + "/v1/traces"
		}
	}
	if url == "" {
		return o, nil
	}
	protocol := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol == "grpc" {
		return o, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is grpc: only http/json is supported, usually on port 4318")
	}
	o.URL = url
	o.Headers = make(map[string]string)
	for _, list := range []string{getenv("OTEL_EXPORTER_OTLP_HEADERS"), getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS")} {
		for pair := range strings.SplitSeq(list, ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				o.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	}
	return o, nil
}

// A tracer sends spans to a collector. A nil tracer does nothing, and neither do its
// spans.
type tracer struct {
	options TraceOptions
	log     *slog.Logger
	spans   chan *span
	done    chan struct{}
	stop    sync.Once
	client  http.Client
}

const (
	spanQueue = 4096 // spans waiting to be sent; more are dropped
	spanBatch = 256
	spanEvery = 2 * time.Second
)

func newTracer(o TraceOptions, log *slog.Logger) *tracer {
	if o.URL == "" {
		return nil
	}
	t := &tracer{options: o, log: log, spans: make(chan *span, spanQueue), done: make(chan struct{}), client: http.Client{Timeout: 10 * time.Second}}
	go t.export()
	return t
}

// close sends the remaining spans. No span may end afterwards.
func (t *tracer) close() {
	if t == nil {
		return
	}
	t.stop.Do(func() { close(t.spans) })
	<-t.done
}

// A span is a period of time in a trace.
type span struct {
	tracer      *tracer
	trace       [16]byte
	id, parent  [8]byte
	sampled     bool
	server      bool
	name        string
	start, stop time.Time
	attributes  []attribute
	failed      bool
}

// request starts the span of a request, within the client's trace if it has one.
func (t *tracer) request(r *http.Request) *span {
	if t == nil {
		return nil
	}
	s := &span{tracer: t, sampled: true, server: true, start: time.Now()}
	if !s.adopt(r.Header.Get("Traceparent")) {
		_, _ = rand.Read(s.trace[:]) // never fails
	}
	_, _ = rand.Read(s.id[:])
	return s
}

// adopt reads a traceparent header of W3C Trace Context, version 00 or one that extends
// it.
func (s *span) adopt(header string) bool {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || header[:2] == "ff" || strings.ToLower(header) != header ||
		header[:2] == "00" && len(header) != 55 || len(header) > 55 && header[55] != '-' {
		return false
	}
	version, err0 := hex.DecodeString(header[:2])
	trace, err1 := hex.DecodeString(header[3:35])
	parent, err2 := hex.DecodeString(header[36:52])
	flags, err3 := hex.DecodeString(header[53:55])
	if err0 != nil || len(version) != 1 || err1 != nil || err2 != nil || err3 != nil || allZero(trace) || allZero(parent) {
		return false
	}
	copy(s.trace[:], trace)
	copy(s.parent[:], parent)
	s.sampled = flags[0]&1 == 1
	return true
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// start starts a span within that of the request.
func (t *tracer) start(ctx context.Context, name string) *span {
	if t == nil {
		return nil
	}
	parent := noteOf(ctx).span
	if parent == nil {
		return nil
	}
	s := &span{tracer: t, trace: parent.trace, parent: parent.id, sampled: parent.sampled, name: name, start: time.Now()}
	_, _ = rand.Read(s.id[:])
	return s
}

func (s *span) end() { s.finish("", false) }

func (s *span) finish(name string, failed bool) {
	if s == nil || !s.sampled {
		return
	}
	if name != "" {
		s.name = name
	}
	s.stop, s.failed = time.Now(), failed
	select {
	case s.tracer.spans <- s:
	default: // a collector that is too slow costs spans, not requests
	}
}

func (s *span) traceID() string { return hex.EncodeToString(s.trace[:]) }

func (s *span) header() string {
	flags := "00"
	if s.sampled {
		flags = "01"
	}
	return "00-" + s.traceID() + "-" + hex.EncodeToString(s.id[:]) + "-" + flags
}

func (s *span) set(key string, value any) {
	if s == nil {
		return
	}
	a := attribute{Key: key}
	switch v := value.(type) {
	case string:
		a.Value.String = &v
	case int:
		n := strconv.Itoa(v)
		a.Value.Int = &n
	}
	s.attributes = append(s.attributes, a)
}

// The messages of OTLP in its JSON mapping: ids in hexadecimal, 64-bit integers as
// strings.
type (
	attribute struct {
		Key   string         `json:"key"`
		Value attributeValue `json:"value"`
	}
	attributeValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
	}
	otlpSpan struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     struct {
			Code int `json:"code,omitempty"`
		} `json:"status"`
	}
	otlpScope struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpResource struct {
		Resource struct {
			Attributes []attribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []otlpScope `json:"scopeSpans"`
	}
	otlpRequest struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
)

func (t *tracer) export() {
	defer close(t.done)
	tick := time.NewTicker(spanEvery)
	defer tick.Stop()
	var waiting []*span
	for {
		select {
		case s, ok := <-t.spans:
			if !ok {
				t.send(waiting)
				return
			}
			if waiting = append(waiting, s); len(waiting) < spanBatch {
				continue
			}
		case <-tick.C:
		}
		t.send(waiting)
		waiting = waiting[:0]
	}
}

func (t *tracer) send(spans []*span) {
	if len(spans) == 0 {
		return
	}
	var resource otlpResource
	about := &span{}
	about.set("service.name", t.options.Service)
	if t.options.Version != "" {
		about.set("service.version", t.options.Version)
	}
	resource.Resource.Attributes = about.attributes
	scope := otlpScope{}
	scope.Scope.Name = "github.com/winnow-rerank/winnow/server"
	for _, s := range spans {
		o := otlpSpan{TraceID: s.traceID(), SpanID: hex.EncodeToString(s.id[:]), Name: s.name, Kind: 1,
			Start: strconv.FormatInt(s.start.UnixNano(), 10), End: strconv.FormatInt(s.stop.UnixNano(), 10), Attributes: s.attributes}
		if !allZero(s.parent[:]) {
			o.ParentID = hex.EncodeToString(s.parent[:])
		}
		if s.server {
			o.Kind = 2
		}
		if s.failed {
			o.Status.Code = 2
		}
		scope.Spans = append(scope.Spans, o)
	}
	resource.ScopeSpans = []otlpScope{scope}
	body, err := json.Marshal(otlpRequest{[]otlpResource{resource}})
	if err != nil {
		t.log.Warn("traces not encoded", "error", err)
		return
	}
	r, err := http.NewRequest(http.MethodPost, t.options.URL, bytes.NewReader(body))
	if err != nil {
		t.log.Warn("traces not sent", "error", err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range t.options.Headers {
		r.Header.Set(name, value)
	}
	reply, err := t.client.Do(r)
	if err != nil {
		t.log.Warn("traces not sent", "error", err)
		return
	}
	_ = reply.Body.Close()
	if reply.StatusCode >= 300 {
		t.log.Warn("traces rejected", "status", reply.Status)
	}
}
