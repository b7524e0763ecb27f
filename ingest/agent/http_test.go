package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const logsAsJSON = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}}]},
	"scopeLogs":[{"scope":{"name":"s"},"logRecords":[{"timeUnixNano":"1700000000000000001","severityNumber":17,"body":{"stringValue":"no"},
	"traceId":"5b8efff798038103d269b633813fc60c","attributes":[{"key":"n","value":{"intValue":"7"}}]}]}]}]}`

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func protoLogs(t testing.TB, bodies ...string) []byte {
	t.Helper()
	b, err := plogotlp.NewExportRequestFromLogs(logsOf(bodies...)).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHTTPAnswers(t *testing.T) {
	const limit = 64 << 10
	big := bytes.Repeat([]byte("x"), limit+1)
	for name, c := range map[string]struct {
		method, path, contentType, encoding string
		body                                []byte
		chunked                             bool
		kafkaAway, busy                     bool
		status                              int
		code                                codes.Code
		retry                               bool
		says                                string
	}{
		"protobuf":               {body: protoLogs(t, "a"), status: 200},
		"JSON":                   {contentType: "application/json; charset=utf-8", body: []byte(logsAsJSON), status: 200},
		"gzip":                   {encoding: "gzip", body: gzipped(t, protoLogs(t, "a")), status: 200},
		"gzip JSON":              {contentType: typeJSON, encoding: "gzip", body: gzipped(t, []byte(logsAsJSON)), status: 200},
		"without length":         {body: protoLogs(t, strings.Repeat("a", 50_000)), chunked: true, status: 200},
		"nothing":                {body: nil, status: 200},
		"metrics":                {path: "/v1/metrics", contentType: typeJSON, body: []byte(`{"resourceMetrics":[]}`), status: 200},
		"traces":                 {path: "/v1/traces", contentType: typeJSON, body: []byte(`{"resourceSpans":[]}`), status: 200},
		"no such path":           {path: "/v1/profiles", status: 404},
		"GET":                    {method: http.MethodGet, status: 405, code: codes.Unimplemented, says: "POST"},
		"no type":                {contentType: "-", status: 415, code: codes.InvalidArgument, says: typeProto},
		"text":                   {contentType: "text/plain", body: []byte("hello"), status: 415, code: codes.InvalidArgument, says: `"text/plain"`},
		"zstd":                   {encoding: "zstd", body: []byte("x"), status: 415, code: codes.InvalidArgument, says: `"zstd"`},
		"bad protobuf":           {body: []byte("\xff\xff"), status: 400, code: codes.InvalidArgument, says: "no OTLP protobuf"},
		"truncated protobuf":     {body: protoLogs(t, "hello")[:8], status: 400, code: codes.InvalidArgument},
		"bad JSON":               {contentType: typeJSON, body: []byte(`{"resourceLogs":[`), status: 400, code: codes.InvalidArgument, says: "no OTLP JSON"},
		"bad gzip":               {encoding: "gzip", body: []byte("hello"), status: 400, code: codes.InvalidArgument},
		"cut gzip":               {encoding: "gzip", body: gzipped(t, protoLogs(t, "hello"))[:20], status: 400, code: codes.InvalidArgument},
		"too large":              {body: big, status: 413, code: codes.InvalidArgument, says: "64KiB"},
		"too large, no length":   {body: big, chunked: true, status: 413, code: codes.InvalidArgument},
		"too large, gzip":        {encoding: "gzip", body: gzipped(t, big), status: 413, code: codes.InvalidArgument},
		"too large, JSON":        {contentType: typeJSON, body: big, status: 413, code: codes.InvalidArgument},
		"Kafka away":             {body: protoLogs(t, "a"), kafkaAway: true, status: 503, code: codes.Unavailable, retry: true, says: "retry"},
		"Kafka away, JSON":       {contentType: typeJSON, body: []byte(logsAsJSON), kafkaAway: true, status: 503, code: codes.Unavailable, retry: true},
		"too much in flight":     {body: protoLogs(t, "a"), busy: true, status: 429, code: codes.ResourceExhausted, retry: true},
		"busy before the length": {body: protoLogs(t, "a"), chunked: true, busy: true, status: 429, code: codes.ResourceExhausted, retry: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKafka{}
			d := testDelivery(k, nil)
			if c.kafkaAway {
				k.failures = -1
			}
			if c.busy {
				if err := d.reserve(d.capacity); err != nil {
					t.Fatal(err)
				}
			}
			method, path, contentType := http.MethodPost, "/v1/logs", typeProto
			if c.method != "" {
				method = c.method
			}
			if c.path != "" {
				path = c.path
			}
			if c.contentType != "" {
				contentType = c.contentType
			}
			req := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(c.body))
			if c.chunked {
				req.ContentLength = -1
			}
			if contentType != "-" {
				req.Header.Set("Content-Type", contentType)
			}
			if c.encoding != "" {
				req.Header.Set("Content-Encoding", c.encoding)
			}
			w := httptest.NewRecorder()
			newHTTPHandler(d, limit).ServeHTTP(w, req)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("Retry-After") != ""; got != c.retry {
				t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
			}
			if d.inFlight != 0 && !c.busy {
				t.Errorf("%d bytes stay in flight", d.inFlight)
			}
			asJSON := strings.HasPrefix(contentType, typeJSON)
			if want := map[bool]string{true: typeJSON, false: typeProto}[asJSON]; c.status != 404 && w.Header().Get("Content-Type") != want {
				t.Errorf("the answer's type is %q, want %q", w.Header().Get("Content-Type"), want)
			}
			switch c.status {
			case 404:
			case 200:
				if response := plogotlp.NewExportResponse(); asJSON && response.UnmarshalJSON(w.Body.Bytes()) != nil || !asJSON && response.UnmarshalProto(w.Body.Bytes()) != nil {
					t.Errorf("the answer %q is no response", w.Body)
				}
			default:
				var st spb.Status
				err := proto.Unmarshal(w.Body.Bytes(), &st)
				if asJSON {
					err = protojson.Unmarshal(w.Body.Bytes(), &st)
				}
				if err != nil || codes.Code(st.Code) != c.code || !strings.Contains(st.Message, c.says) {
					t.Errorf("the answer is %q (code %d, want %d), want it to say %q; error %v", st.Message, st.Code, c.code, c.says, err)
				}
			}
		})
	}
}

func TestJSONIsProducedAsProtobuf(t *testing.T) {
	a := runAgent(t, nil)
	resp, err := http.Post("http://"+a.Addrs().HTTP.String()+"/v1/logs", typeJSON, strings.NewReader(logsAsJSON))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(body) != `{}` {
		t.Fatalf("status %d: %s, %v", resp.StatusCode, body, err)
	}
	records := a.kafka.records(t)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if r.Timestamp() != 1700000000000000001 || r.SeverityNumber() != plog.SeverityNumberError || r.Body().Str() != "no" ||
		r.TraceID().String() != "5b8efff798038103d269b633813fc60c" || r.Attributes().AsRaw()["n"] != int64(7) {
		t.Errorf("the record is not what was sent: %v %v", r.Body().AsRaw(), r.Attributes().AsRaw())
	}
}

func TestPartialSuccessIsSaid(t *testing.T) {
	d := testDelivery(&fakeKafka{}, nil)
	d.maxRecord = 200
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/logs", bytes.NewReader(protoLogs(t, "a", strings.Repeat("x", 300), "b")))
	req.Header.Set("Content-Type", typeProto)
	w := httptest.NewRecorder()
	newHTTPHandler(d, 1<<20).ServeHTTP(w, req)
	response := plogotlp.NewExportResponse()
	if err := response.UnmarshalProto(w.Body.Bytes()); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	if p := response.PartialSuccess(); p.RejectedLogRecords() != 1 || !strings.Contains(p.ErrorMessage(), "max_record_bytes") {
		t.Errorf("rejected %d: %q", p.RejectedLogRecords(), p.ErrorMessage())
	}
}

// TestSenderThatGivesUp must not be taken for an outage of Kafka.
func TestSenderThatGivesUp(t *testing.T) {
	k := &fakeKafka{hold: make(chan struct{}), holding: make(chan struct{}, 1)}
	d := testDelivery(k, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/logs", bytes.NewReader(protoLogs(t, "a")))
	req.Header.Set("Content-Type", typeProto)
	w := httptest.NewRecorder()
	go func() { <-k.holding; cancel() }()
	newHTTPHandler(d, 1<<20).ServeHTTP(w, req)
	if w.Code != 503 || d.ready(time.Now()) != nil {
		t.Errorf("status %d, ready: %v", w.Code, d.ready(time.Now()))
	}
}

// TestSlowKafka ends a request after the produce timeout, so that its sender can retry.
func TestSlowKafka(t *testing.T) {
	k := &fakeKafka{hold: make(chan struct{}), holding: make(chan struct{}, 1)}
	d := testDelivery(k, func(c *Config) { c.Limits.ProduceTimeout = 20 * time.Millisecond })
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/logs", bytes.NewReader(protoLogs(t, "a")))
	req.Header.Set("Content-Type", typeProto)
	w := httptest.NewRecorder()
	newHTTPHandler(d, 1<<20).ServeHTTP(w, req)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || d.ready(time.Now()) == nil {
		t.Errorf("status %d, ready: %v", w.Code, d.ready(time.Now()))
	}
	// A load balancer that asks sends nothing until the agent is ready, so that is not left to what is sent.
	if err := d.ready(time.Now().Add(doubted)); err != nil {
		t.Errorf("when it might be tried again: %v", err)
	}
}

// FuzzHTTP sends any body to any path: the answer is 200 exactly when the body is what pdata can decode, and then all
// of its records are produced.
func FuzzHTTP(f *testing.F) {
	f.Add(uint8(0), true, false, []byte(logsAsJSON))
	f.Add(uint8(1), true, true, []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[{"asDouble":1}]}}]}]}]}`))
	f.Add(uint8(2), true, false, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x","spanId":"0102030405060708"}]}]}]}`))
	f.Add(uint8(0), false, true, protoLogs(f, "a", "b"))
	f.Fuzz(func(t *testing.T, signal uint8, asJSON, compress bool, body []byte) {
		path, topic := "/v1/logs", "otlp_logs"
		var decodes error
		records := 0
		switch signal % 3 {
		case 0:
			r := plogotlp.NewExportRequest()
			decodes = unmarshal(asJSON, body, r.UnmarshalProto, r.UnmarshalJSON)
			records = r.Logs().LogRecordCount()
		case 1:
			path, topic = "/v1/metrics", "otlp_metrics"
			r := pmetricotlp.NewExportRequest()
			decodes = unmarshal(asJSON, body, r.UnmarshalProto, r.UnmarshalJSON)
			records = r.Metrics().DataPointCount()
		default:
			path, topic = "/v1/traces", "otlp_spans"
			r := ptraceotlp.NewExportRequest()
			decodes = unmarshal(asJSON, body, r.UnmarshalProto, r.UnmarshalJSON)
			records = r.Traces().SpanCount()
		}
		k := &fakeKafka{}
		d := testDelivery(k, nil)
		contentType := typeProto
		if asJSON {
			contentType = typeJSON
		}
		sent := body
		if compress {
			sent = gzipped(t, body)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(sent))
		req.Header.Set("Content-Type", contentType)
		if compress {
			req.Header.Set("Content-Encoding", "gzip")
		}
		w := httptest.NewRecorder()
		newHTTPHandler(d, 1<<20).ServeHTTP(w, req)
		if len(body) > 1<<20 {
			return
		}
		if want := map[bool]int{true: 200, false: 400}[decodes == nil]; w.Code != want {
			t.Fatalf("status %d, want %d: %v", w.Code, want, decodes)
		}
		if decodes != nil {
			return
		}
		produced := 0
		for _, m := range k.of(topic) {
			switch signal % 3 {
			case 0:
				r := plogotlp.NewExportRequest()
				if err := r.UnmarshalProto(m.Value); err != nil {
					t.Fatal(err)
				}
				produced += r.Logs().LogRecordCount()
			case 1:
				r := pmetricotlp.NewExportRequest()
				if err := r.UnmarshalProto(m.Value); err != nil {
					t.Fatal(err)
				}
				produced += r.Metrics().DataPointCount()
			default:
				r := ptraceotlp.NewExportRequest()
				if err := r.UnmarshalProto(m.Value); err != nil {
					t.Fatal(err)
				}
				produced += r.Traces().SpanCount()
			}
		}
		if produced != records {
			t.Fatalf("%d of %d records were produced", produced, records)
		}
	})
}

func unmarshal(asJSON bool, body []byte, fromProto, fromJSON func([]byte) error) error {
	if asJSON {
		return fromJSON(body)
	}
	return fromProto(body)
}
