package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// view is what the last judgement of a subject saw, for its texts.
type view struct {
	topic            *topic
	value, threshold float64
	share            float64
}

// describe gives a finding its numbers and, when it fires, its texts: what is wrong, what follows, what to do.
func (s *subject) describe(f *finding.Finding, limit time.Duration) {
	if s.ended == "" {
		value := s.now.value
		f.Value = &value
	}
	if s.Kind == behind || s.Kind == sourceStopped {
		f.Unit = "s"
	}
	if f.State != finding.Firing {
		return
	}
	var summary, description, runbook string
	threshold := limit.Seconds()
	switch s.Kind {
	case behind:
		f.Threshold = &threshold
		f.Condition = "delay > " + short(limit)
		summary, description, runbook = s.behindTexts()
	case sourceStopped:
		allowed := s.now.threshold
		f.Threshold = &allowed
		f.Condition = "silent > " + short(seconds(allowed))
		summary, description, runbook = s.stoppedTexts()
	case undecodable, late, clockAhead:
		f.Condition = "such records for " + short(limit)
		summary, description, runbook = s.spellTexts()
	case matchesNothing:
		f.Condition = "nothing selected for " + short(limit)
		summary, description, runbook = s.ruleTexts(limit)
	}
	// Messages show summary and description: what to do stands there too.
	f.Annotations = map[string]string{"summary": summary, "description": description + "\n" + runbook, "runbook": runbook}
}

func (s *subject) behindTexts() (summary, description, runbook string) {
	t := s.now.topic
	summary = fmt.Sprintf("freshet is %s behind on %s", short(t.delay), s.About)
	var parts []string
	if len(t.slow) > 0 {
		parts = append(parts, numbered("partition", t.slow)+" read slower than written, or held up by a producer's open transaction")
	}
	if len(t.orphans) > 0 {
		parts = append(parts, numbered("partition", t.orphans)+" read by no process")
	}
	description = strings.Join(parts, "; ") + ". Until freshet has caught up nothing is resolved and nothing is called absent."
	runbook = "Are the detectors up (/-/ready, log)? freshet_kafka_consumer_lag shows what is unread. If they are busy, start " +
		"more of them, at most one for each partition, or give them more CPU."
	return summary, description, runbook
}

func (s *subject) stoppedTexts() (summary, description, runbook string) {
	who, silence := s.who(), short(seconds(s.now.value))
	summary = fmt.Sprintf("%s has sent nothing for %s", who, silence)
	switch {
	case s.now.topic.missing():
		description = fmt.Sprintf("Topic %s does not exist any more.", s.About)
	case s.Service != "":
		description = fmt.Sprintf("Others on topic %s go on sending, and freshet has read all of it.", s.About)
	default:
		description = "freshet has read all there is, so it is the source that is silent."
	}
	if s.Cadence.Pause >= time.Minute {
		description += fmt.Sprintf(" Its longest pause before was %s.", short(s.Cadence.Pause))
	}
	runbook = "Is the sender up, and can it reach Kafka or the agent? If it was switched off for good, this resolves by itself " +
		"after a day; health.source_stopped sets how long a source may be silent."
	return summary, description, runbook
}

func (s *subject) spellTexts() (summary, description, runbook string) {
	bad := int(s.now.value)
	switch s.Kind {
	case undecodable:
		summary = fmt.Sprintf("%d records of topic %s could not be decoded in the last minutes", bad, s.About)
		description = "They count for no rule and are kept in the dead-letter topic."
		if s.fault != "" {
			description += " The last one: " + s.fault
		}
		runbook = "`freshet dead-letter list` shows them with their faults. Does ingest.topics give the topic its right signal and " +
			"format? `freshet dead-letter replay` sends them again once that is mended."
	case late:
		summary = fmt.Sprintf("%s: %d records came too late in the last minutes", s.who(), bad)
		description = fmt.Sprintf("They are %s of its records. They came later after their time than `lateness` allows, so the rules that "+
			"want them do not count them.", percent(s.now.share))
		runbook = "Is a sender or its network slow, or its clock behind? Else raise `lateness` of the rules, at the price of alerts " +
			"that settle later."
	default:
		summary = fmt.Sprintf("%s: %d records are from the future", s.who(), bad)
		description = fmt.Sprintf("They are %s of its records. Their time lies after that of their arrival at Kafka, by more than "+
			"detect.clock_tolerance, so no rule counts them.", percent(s.now.share))
		runbook = "Set the clock of the sender (NTP). Are the times written in another time zone, or in another unit?"
	}
	return summary, description, runbook
}

func (s *subject) ruleTexts(limit time.Duration) (summary, description, runbook string) {
	summary = fmt.Sprintf("Rule %s has matched nothing in %s", s.Match.Rule, short(limit))
	if s.Match.Selected {
		description = fmt.Sprintf("Of %d records none that it counts has all that `by` names.", s.Match.Records)
	} else {
		description = fmt.Sprintf("Of %d records its `where` let none through.", s.Match.Records)
	}
	runbook = "Is a name or a value misspelt? If such records are only rare, all is well: this resolves with the first and is not " +
		"told again."
	return summary, description, runbook
}

func (s *subject) who() string {
	if s.Service == "" {
		return "Topic " + s.About
	}
	return "Service " + s.Service
}

// numbered lists partitions: the first few and how many more.
func numbered(what string, ids []int32) string {
	const most = 8
	if len(ids) > 1 {
		what += "s"
	}
	shown := make([]string, 0, most)
	for _, id := range ids[:min(len(ids), most)] {
		shown = append(shown, fmt.Sprint(id))
	}
	text := what + " " + strings.Join(shown, ", ")
	if n := len(ids) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	if len(ids) > 1 {
		return text + " are"
	}
	return text + " is"
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// short writes a duration for people: 45s, 12m, 3h5m.
func short(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	text := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func percent(part float64) string {
	if part >= 0.1 {
		return fmt.Sprintf("%.0f %%", 100*part)
	}
	return fmt.Sprintf("%.2g %%", 100*part)
}
