package agent

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	receiverHTTP = "otlp_http"
	typeProto    = "application/x-protobuf"
	typeJSON     = "application/json"
)

// httpReceiver receives OTLP over HTTP.
type httpReceiver struct {
	listener net.Listener
	server   *http.Server
}

func newHTTPReceiver(l net.Listener, d *delivery, maxRequest int64, log *slog.Logger) *httpReceiver {
	return &httpReceiver{
		listener: l,
		server: &http.Server{
			Handler:           newHTTPHandler(d, maxRequest),
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       time.Minute,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// run serves until ctx ends, then lets requests in flight finish.
func (r *httpReceiver) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(r.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving OTLP over HTTP: %w", err)
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := r.server.Shutdown(within); err != nil {
		_ = r.server.Close() // what hangs beyond the drain time is cut off
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving OTLP over HTTP: %w", err)
	}
	return nil
}

// exchange is one signal's decoding of a request's body and encoding of the response to it.
type exchange func(body []byte, json bool) (p *parcel, response func() ([]byte, error), err error)

func newHTTPHandler(d *delivery, maxRequest int64) http.Handler {
	mux := http.NewServeMux()
	for path, e := range map[string]exchange{
		"/v1/logs": d.exchangeLogs, "/v1/metrics": d.exchangeMetrics, "/v1/traces": d.exchangeTraces,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) { d.serveHTTP(w, req, maxRequest, e) })
	}
	return mux
}

func (d *delivery) serveHTTP(w http.ResponseWriter, req *http.Request, maxRequest int64, e exchange) {
	contentType, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	asJSON := contentType == typeJSON
	refuse := func(err *httpError) {
		d.metrics.refused.WithLabelValues(receiverHTTP, err.reason).Inc()
		err.write(w, asJSON)
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(&httpError{http.StatusMethodNotAllowed, codes.Unimplemented, refusedUnsupported, "expected POST, found " + req.Method})
		return
	}
	if !asJSON && contentType != typeProto {
		refuse(&httpError{http.StatusUnsupportedMediaType, codes.InvalidArgument, refusedUnsupported,
			fmt.Sprintf("expected Content-Type %s or %s, found %q", typeProto, typeJSON, req.Header.Get("Content-Type"))})
		return
	}
	room := &room{d: d}
	defer room.free()
	body, err := readBody(w, req, maxRequest, room)
	if err != nil {
		refuse(asHTTPError(err))
		return
	}
	p, response, err := e(body, asJSON)
	if err == nil {
		err = d.send(req.Context(), receiverHTTP, p)
	}
	if err != nil {
		refuse(asHTTPError(err))
		return
	}
	encoded, err := response()
	if err != nil {
		refuse(asHTTPError(err))
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(encoded)
}

// room is what one request has reserved of the bytes in flight.
type room struct {
	d *delivery
	n int64
}

// grow makes the reservation n bytes.
func (r *room) grow(n int64) error {
	if n <= r.n {
		return nil
	}
	if err := r.d.reserve(n - r.n); err != nil {
		return err
	}
	r.n = n
	return nil
}

func (r *room) free() { r.d.release(r.n) }

// readBody reads and decompresses a body of at most limit bytes. It reserves memory before it takes it, so that many
// senders at once cannot take more than is allowed.
func readBody(w http.ResponseWriter, req *http.Request, limit int64, room *room) ([]byte, error) {
	tooLarge := &httpError{http.StatusRequestEntityTooLarge, codes.InvalidArgument, refusedTooLarge,
		fmt.Sprintf("the body is larger than %s; send smaller batches or raise agent.limits.max_request_bytes", Size(limit))}
	malformed := func(err error) error {
		if _, exceeded := errors.AsType[*http.MaxBytesError](err); exceeded {
			return tooLarge
		}
		return &httpError{http.StatusBadRequest, codes.InvalidArgument, refusedMalformed, "reading the body: " + err.Error()}
	}
	var src io.Reader = http.MaxBytesReader(w, req.Body, limit)
	size := int64(32 << 10)
	switch encoding := strings.ToLower(req.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		if req.ContentLength > limit {
			return nil, tooLarge
		}
		if req.ContentLength >= 0 {
			size = req.ContentLength + 1 // one more, so that the end is seen without growing
		}
	case "gzip":
		if err := room.grow(size); err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, malformed(err)
		}
		src = z
	default:
		return nil, &httpError{http.StatusUnsupportedMediaType, codes.InvalidArgument, refusedUnsupported,
			fmt.Sprintf("expected Content-Encoding gzip or none, found %q", encoding)}
	}
	var body []byte
	for {
		if len(body) == cap(body) {
			if err := room.grow(size); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
			size = min(2*size, limit+1)
		}
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, tooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, malformed(err)
		}
	}
}

func (d *delivery) exchangeLogs(body []byte, asJSON bool) (*parcel, func() ([]byte, error), error) {
	request, response := plogotlp.NewExportRequest(), plogotlp.NewExportResponse()
	if err := decode(body, asJSON, request.UnmarshalProto, request.UnmarshalJSON); err != nil {
		return nil, nil, err
	}
	p, err := d.logs(request.Logs())
	if err == nil && p.rejected > 0 {
		response.PartialSuccess().SetRejectedLogRecords(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return p, encoder(p, asJSON, response.MarshalProto, response.MarshalJSON), err
}

func (d *delivery) exchangeMetrics(body []byte, asJSON bool) (*parcel, func() ([]byte, error), error) {
	request, response := pmetricotlp.NewExportRequest(), pmetricotlp.NewExportResponse()
	if err := decode(body, asJSON, request.UnmarshalProto, request.UnmarshalJSON); err != nil {
		return nil, nil, err
	}
	p, err := d.points(request.Metrics())
	if err == nil && p.rejected > 0 {
		response.PartialSuccess().SetRejectedDataPoints(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return p, encoder(p, asJSON, response.MarshalProto, response.MarshalJSON), err
}

func (d *delivery) exchangeTraces(body []byte, asJSON bool) (*parcel, func() ([]byte, error), error) {
	request, response := ptraceotlp.NewExportRequest(), ptraceotlp.NewExportResponse()
	if err := decode(body, asJSON, request.UnmarshalProto, request.UnmarshalJSON); err != nil {
		return nil, nil, err
	}
	p, err := d.spans(request.Traces())
	if err == nil && p.rejected > 0 {
		response.PartialSuccess().SetRejectedSpans(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return p, encoder(p, asJSON, response.MarshalProto, response.MarshalJSON), err
}

func decode(body []byte, asJSON bool, fromProto, fromJSON func([]byte) error) error {
	from, name := fromProto, "OTLP protobuf"
	if asJSON {
		from, name = fromJSON, "OTLP JSON"
	}
	if err := from(body); err != nil {
		return &httpError{http.StatusBadRequest, codes.InvalidArgument, refusedMalformed, "the body is no " + name + ": " + err.Error()}
	}
	return nil
}

// encoder returns what encodes the response. OTLP wants its field left out when nothing was rejected, which pdata would
// write as empty.
func encoder(p *parcel, asJSON bool, toProto, toJSON func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		switch {
		case p.rejected == 0 && asJSON:
			return []byte("{}"), nil
		case p.rejected == 0:
			return nil, nil
		case asJSON:
			return toJSON()
		default:
			return toProto()
		}
	}
}

// httpError is the answer to a request that is not accepted.
type httpError struct {
	status  int
	code    codes.Code
	reason  string // the label of the metric
	message string
}

// Error implements error.
func (e *httpError) Error() string { return e.message }

func asHTTPError(err error) *httpError {
	if e, ok := errors.AsType[*httpError](err); ok {
		return e
	}
	switch {
	case errors.Is(err, errBusy):
		return &httpError{http.StatusTooManyRequests, codes.ResourceExhausted, refusedBusy, err.Error()}
	case errors.Is(err, errKafka):
		return &httpError{http.StatusServiceUnavailable, codes.Unavailable, refusedKafka, err.Error()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &httpError{http.StatusServiceUnavailable, codes.Canceled, refusedCanceled, "the sender gave up"}
	default:
		return &httpError{http.StatusInternalServerError, codes.Internal, refusedMalformed, err.Error()}
	}
}

// write answers with a google.rpc.Status in the encoding of the request, as OTLP asks for.
func (e *httpError) write(w http.ResponseWriter, asJSON bool) {
	body, contentType := []byte(nil), typeProto
	var err error
	st := &spb.Status{Code: int32(e.code), Message: e.message}
	if asJSON {
		contentType = typeJSON
		body, err = protojson.Marshal(st)
	} else {
		body, err = proto.Marshal(st)
	}
	if err != nil {
		body, contentType = []byte(e.message), "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", contentType)
	if e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(body)
}
