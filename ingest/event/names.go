package event

// role is what a field's name says about it.
type role uint8

const (
	noRole role = iota
	timeRole
	secondsRole     // the seconds of a time split in two fields
	nanosRole       // their nanoseconds
	levelRole       // a level as a name, or a number of pino and bunyan (10 to 60)
	severityRole    // an OpenTelemetry severity number
	syslogRole      // a syslog severity, 0 (emergency) to 7 (debug)
	gelfRole        // the message of GELF, whose numeric level is a syslog severity
	pythonLevelRole // a level of Python's logging, 10 (debug) to 50 (critical)
	messageRole
	traceRole
	spanRole
	parentSpanRole
	traceparentRole // W3C trace context: trace and span in one
	nameRole
)

// longestName is the length of the longest name that roleOf knows.
const longestName = 32

// roleOf returns the role of a field by its dotted path in lower case. Of several fields with the same role the one of
// the lowest rank counts, of the same rank the last.
func roleOf(path []byte) (r role, rank uint8) {
	switch string(path) {
	case "eventtime", "event_time", "eventtimestamp", "event_timestamp", "payload.source.ts_ms", "source.ts_ms":
		return timeRole, 1
	case "timestamp":
		return timeRole, 2
	case "time":
		return timeRole, 3
	case "ts":
		return timeRole, 4
	case "datetime", "date_time":
		return timeRole, 5
	case "@timestamp", "@t", "_timestamp", "_time", "t.$date", "timestamp.$date":
		return timeRole, 6
	case "timestamp_ms", "timestampms", "timemillis", "time_ms", "ts_ms", "payload.ts_ms", "timestamp_ns", "time_ns",
		"timestamp_us", "time_us", "ts_ns", "ts_us", "timeunixnano", "time_unix_nano", "unixtime", "unix_time", "epoch",
		"__realtime_timestamp":
		return timeRole, 7
	case "asctime", "log_time", "logtime", "logged_at", "t":
		return timeRole, 8
	case "occurred_at", "occurredat", "created_at", "createdat", "date", "event.created":
		return timeRole, 9
	case "instant.epochsecond", "timestamp.seconds":
		return secondsRole, 0
	case "instant.nanoofsecond", "timestamp.nanos":
		return nanosRole, 0

	case "level", "log.level":
		return levelRole, 1
	case "severity", "severity_text", "severitytext":
		return levelRole, 2
	case "loglevel", "log_level", "levelname", "level_name", "lvl", "@l", "log.severity", "s":
		return levelRole, 3
	case "severity_number", "severitynumber":
		return severityRole, 0
	case "log.syslog.severity.code", "priority", "syslog_severity", "syslog.severity":
		return syslogRole, 0
	case "levelno":
		return pythonLevelRole, 0

	case "message":
		return messageRole, 1
	case "msg":
		return messageRole, 2
	case "body":
		return messageRole, 3
	case "log", "log.message":
		return messageRole, 4
	case "short_message":
		return gelfRole, 5
	case "@m", "renderedmessage", "log_message", "logmessage":
		return messageRole, 6
	case "textpayload", "text", "@mt", "messagetemplate":
		return messageRole, 7
	case "event":
		return messageRole, 8

	case "trace_id", "traceid", "trace.id", "oteltraceid", "contextmap.trace_id", "mdc.trace_id":
		return traceRole, 0
	case "span_id", "spanid", "span.id", "otelspanid", "contextmap.span_id", "mdc.span_id":
		return spanRole, 0
	case "parent_span_id", "parentspanid", "parent.id":
		return parentSpanRole, 0
	case "traceparent":
		return traceparentRole, 0
	case "event.name", "event_name", "eventname":
		return nameRole, 0
	default:
		return noRole, 0
	}
}
