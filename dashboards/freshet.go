package dashboards

import (
	"fmt"
	"strings"
)

// All returns the dashboards by the names of their files.
func All() map[string]Dashboard {
	return map[string]Dashboard{"freshet.json": Freshet()}
}

// Freshet returns the dashboard that shows whether freshet keeps up, what it finds and whom it tells.
func Freshet() Dashboard {
	var l layout

	l.row("Now")
	l.number("Alerts firing", "Alerts that fire now.", "short", `sum(freshet_alert_alerts{$of, state="firing"})`, 1)
	l.number("Records", "Kafka records read each second.", "cps", rate("sum", "freshet_kafka_consumed_records_total"))
	l.number("Watermark delay",
		"How far the event time up to which all input is complete lies behind the clock. Alerts come that much later.",
		"s", `max(freshet_detect_watermark_delay_seconds{$of})`, 15, 60)
	l.number("Consumer lag", "Offsets between what is read and what is written, over all partitions.",
		"short", `sum(freshet_kafka_consumer_lag{$of})`)
	l.number("Undecodable in an hour", "Kafka records that went to the dead-letter topic.",
		"short", `sum(increase(freshet_detect_dead_lettered_records_total{$of}[1h]))`, 1)
	l.number("Failed notifications in an hour", "Attempts that were not delivered, those tried again included.",
		"short", `sum(increase(freshet_alert_notifications_total{$of, status!="delivered"}[1h]))`, 1)

	l.row("Stream")
	l.chart("Records by topic", "Kafka records read each second.", "cps",
		query{rate("sum by (topic)", "freshet_kafka_consumed_records_total"), "{{topic}}"})
	l.chart("Bytes by topic", "Bytes of keys and values read each second, uncompressed.", "Bps",
		query{rate("sum by (topic)", "freshet_kafka_consumed_bytes_total"), "{{topic}}"})
	l.chart("Consumer lag", "Offsets not yet read, by partition. A lag that grows says that freshet does not keep up.", "short",
		query{`sum by (topic, partition) (freshet_kafka_consumer_lag{$of})`, "{{topic}}/{{partition}}"})
	l.chart("Watermark delay",
		"How far complete event time lies behind the clock, by partition of freshet.panes. While it is high nothing is resolved and nothing counts as absent.", "s",
		query{`max by (partition) (freshet_detect_watermark_delay_seconds{$of})`, "{{partition}}"})
	l.chart("Decoded records by topic", "Log records, data points, spans and events: a Kafka record may hold many.", "cps",
		query{rate("sum by (topic)", "freshet_detect_records_total"), "{{topic}}"})
	l.chart("Groups", "Groups of all rules that are held in memory, and rules. Some rules wait while detectors have different rule files.", "short",
		query{`sum(freshet_detect_groups{$of})`, "groups"}, query{`max(freshet_rules{$of})`, "rules"},
		query{`max(freshet_detect_waiting_rules{$of})`, "rules that wait"})

	l.row("Agent")
	l.chart("Received", "Log records, data points and spans that were received and acknowledged by Kafka.", "cps",
		query{rate("sum by (signal, receiver)", "freshet_agent_received_records_total"), "{{signal}} {{receiver}}"})
	l.chart("Refused", "Requests that were not accepted, by reason, and records too large for Kafka. What is refused as busy or because of kafka is sent again.", "cps",
		query{rate("sum by (receiver, reason)", "freshet_agent_refused_requests_total"), "{{receiver}} {{reason}}"},
		query{rate("sum by (receiver)", "freshet_agent_rejected_records_total"), "{{receiver}} record too large"})
	l.chart("Waiting", "Bytes received and not yet acknowledged by Kafka, and bytes of tailed files not yet read.", "bytes",
		query{`sum(freshet_agent_in_flight_bytes{$of})`, "in flight"}, query{`sum(freshet_agent_tailed_lag_bytes{$of})`, "files"})

	l.row("Records that did not count")
	l.chart("Late records", "Records that came later than the rule's lateness allows, by service.", "cps",
		query{rate("sum by (service)", "freshet_detect_late_records_total"), "{{service}}"})
	l.chart("Records ahead of time", "Records of clocks that are ahead, by service.", "cps",
		query{rate("sum by (service)", "freshet_detect_future_records_total"), "{{service}}"})
	l.chart("Dead letters", "Kafka records that could not be decoded, by topic and kind of fault. They are in the dead-letter topic.", "cps",
		query{rate("sum by (topic, kind)", "freshet_detect_dead_lettered_records_total"), "{{topic}} {{kind}}"})

	l.row("Findings")
	l.chart("Findings", "Findings produced in a minute, by state.", "short",
		query{`60 * ` + rate("sum by (state)", "freshet_detect_findings_total"), "{{state}}"})
	l.chart("Record to finding", "Time from the event time of the newest sample record to the finding that its alert fires: early, before the window is complete, and settled.", "s",
		quantiles("freshet_detect_record_to_finding_seconds", "settled")...)
	l.chart("Finding to notification", "Time from the receipt of a firing finding to the delivery of its first notification. It includes group_wait.", "s",
		quantiles("freshet_alert_finding_to_notification_seconds")...)

	l.row("Alerter")
	l.chart("Alerts", "Alerts that hold now, and groups of which something is or may be to be told.", "short",
		query{`sum by (state) (freshet_alert_alerts{$of})`, "{{state}}"}, query{`sum(freshet_alert_groups{$of})`, "groups"})
	l.chart("Muted", "Alerts that fire and that a silence or another alert mutes, and the silences that do.", "short",
		query{`sum by (reason) (freshet_alert_suppressed_alerts{$of})`, "{{reason}}"},
		query{`sum(freshet_alert_silences{$of, state="active"})`, "active silences"})
	l.chart("Decisions", "What was decided about alerts in a minute, as freshet why shows it.", "short",
		query{`60 * ` + rate("sum by (decision)", "freshet_alert_decisions_total"), "{{decision}}"})
	l.chart("Notifications", "Attempts to notify in a minute, by receiver and status. What was abandoned is in freshet receivers undelivered.", "short",
		query{`60 * ` + rate("sum by (receiver, status)", "freshet_alert_notifications_total"), "{{receiver}} {{status}}"})
	l.chart("One attempt to notify", "Time that Slack or a webhook took to answer, by receiver.", "s",
		quantiles("freshet_alert_notification_duration_seconds", "receiver")...)
	l.chart("Queue", "Notifications that wait for earlier ones of the same receiver. A queue that grows says that it is slow, or asks to be left alone.", "short",
		query{`sum by (integration) (freshet_alert_queued_notifications{$of})`, "{{integration}}"})

	l.row("Kafka")
	l.chart("Flush", "Time from taking what the stages give to the commit of its transaction.", "s",
		quantiles("freshet_kafka_flush_duration_seconds", "group")...)
	l.chart("Transactions", "Transactions that ended, by outcome.", "cps",
		query{rate("sum by (group, outcome)", "freshet_kafka_transactions_total"), "{{group}} {{outcome}}"})
	l.chart("Errors", "Errors in a minute, by what they call for. Somebody has to act on authorization and data; the others are tried again.", "short",
		query{`60 * ` + rate("sum by (class)", "freshet_kafka_errors_total"), "{{class}}"})

	l.row("Process")
	l.chart("CPU", "Cores used.", "short", query{rate("sum by (instance)", "process_cpu_seconds_total"), "{{instance}}"})
	l.chart("Memory", "Resident memory, and the part of it that is Go's heap in use.", "bytes",
		query{`sum by (instance) (process_resident_memory_bytes{$of})`, "{{instance}} resident"},
		query{`sum by (instance) (go_memstats_heap_inuse_bytes{$of})`, "{{instance}} heap"})
	l.chart("Reloads that failed", "Reloads of rule files and of the alerter's configuration that changed nothing because of a fault. The page and the log show it.", "short",
		query{`sum(increase(freshet_rules_reloads_total{$of, result="failure"}[$__rate_interval]))`, "rules"},
		query{`sum(increase(freshet_config_reloads_total{$of, result="failure"}[$__rate_interval]))`, "configuration"})
	l.chart("Goroutines", "A number that only grows is a leak.", "short",
		query{`sum by (instance) (go_goroutines{$of})`, "{{instance}}"})

	for i := range l.panels {
		for j := range l.panels[i].Targets {
			t := &l.panels[i].Targets[j]
			t.Expr = selected(t.Expr)
		}
	}
	return Dashboard{
		UID: "freshet", Title: "freshet", Tags: []string{"freshet"},
		Description:   "Whether freshet keeps up with its topics, what it finds and whom it tells.",
		SchemaVersion: 39, Editable: true, GraphTooltip: 1, Refresh: "10s", Timezone: "browser",
		Time: TimeRange{"now-30m", "now"},
		Templating: Templating{List: []Variable{
			{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1},
			choice("job", "Job", `label_values(freshet_kafka_connected, job)`),
			choice("instance", "Instance", `label_values(process_start_time_seconds{job=~"$job"}, instance)`),
		}},
		Panels: l.panels,
	}
}

// choice is a variable of one, several or all values of a label.
func choice(name, label, values string) Variable {
	return Variable{
		Name: name, Label: label, Type: "query", Datasource: source(), Refresh: 2,
		Query: map[string]string{"query": values, "refId": name},
		Multi: true, IncludeAll: true, AllValue: ".+", Current: &Current{"All", "$__all"},
	}
}

// rate is the sum of a counter's rate by some labels.
func rate(sum, counter string) string {
	return fmt.Sprintf("%s (rate(%s{$of}[$__rate_interval]))", sum, counter)
}

// quantiles are the median and the 99th percentile of a histogram, by some labels.
func quantiles(histogram string, by ...string) []query {
	var out []query
	for _, q := range []struct {
		name  string
		value float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		sum, legend := "sum by (le)", q.name
		for _, label := range by {
			sum = strings.TrimSuffix(sum, ")") + ", " + label + ")"
			legend += fmt.Sprintf(" %s={{%s}}", label, label)
		}
		out = append(out, query{fmt.Sprintf("histogram_quantile(%g, %s)", q.value, rate(sum, histogram+"_bucket")), legend})
	}
	return out
}

// selected puts the viewer's choice in the place of $of.
func selected(expr string) string {
	return strings.ReplaceAll(expr, "$of", `job=~"$job", instance=~"$instance"`)
}
