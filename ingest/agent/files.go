package agent

import (
	"context"
	"path/filepath"
	"time"

	"github.com/valyala/fastjson"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest/agent/tail"
)

const receiverFile = "file"

// fileReceiver makes log records of the lines of tailed files. It is used by one goroutine.
type fileReceiver struct {
	d       *delivery
	configs []FileConfig
	host    string
	json    fastjson.Parser
}

func newFileReceiver(cfg Config, d *delivery) (*fileReceiver, error) {
	host, err := hostName()
	if err != nil {
		return nil, err
	}
	return &fileReceiver{d: d, configs: cfg.Files, host: host}, nil
}

func (r *fileReceiver) sources() []tail.Source {
	sources := make([]tail.Source, len(r.configs))
	for i, c := range r.configs {
		sources[i] = tail.Source{Include: c.Include, Exclude: c.Exclude, StartAt: c.StartAt}
	}
	return sources
}

// deliver is the Deliver of a tail.Tailer. It waits for Kafka, because lines that are read again are read with others.
func (r *fileReceiver) deliver(ctx context.Context, lines []tail.Line) error {
	p, err := r.d.logs(r.records(lines, time.Now()))
	if err != nil {
		return err
	}
	return r.d.sendPatiently(ctx, receiverFile, p)
}

// records makes a log record of each line.
func (r *fileReceiver) records(lines []tail.Line, observed time.Time) plog.Logs {
	ld := plog.NewLogs()
	scopes := make(map[int]plog.ScopeLogs, len(r.configs))
	for _, line := range lines {
		scope, found := scopes[line.Source]
		if !found {
			rl := ld.ResourceLogs().AppendEmpty()
			r.resource(line.Source, rl.Resource().Attributes())
			scope = rl.ScopeLogs().AppendEmpty()
			scopes[line.Source] = scope
		}
		record := scope.LogRecords().AppendEmpty()
		record.SetObservedTimestamp(pcommon.NewTimestampFromTime(observed))
		parseLine(line.Text, &r.json, record)
		record.Attributes().PutStr("log.file.path", line.Path)
		record.Attributes().PutStr("log.file.name", filepath.Base(line.Path))
	}
	return ld
}

// resource fills in the attributes of a source's resource; those that the configuration names win.
func (r *fileReceiver) resource(source int, attributes pcommon.Map) {
	c := r.configs[source]
	attributes.PutStr("host.name", r.host)
	if c.ServiceName != "" {
		attributes.PutStr("service.name", c.ServiceName)
	}
	for key, value := range c.ResourceAttributes {
		attributes.PutStr(key, value)
	}
}
