package detect

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// metadataVersion stands first in the metadata of a committed offset.
const metadataVersion = "1"

// Metadata returns what belongs to the offset of the last record added, to be committed with it: the rules' version,
// where reading began, the highest event time and the latest idle time. It is short text, the same for the same
// records and idle times.
func (a *Accumulator) Metadata() string {
	start := "none"
	if a.started {
		start = timeText(a.start)
	}
	return strings.Join([]string{
		metadataVersion, strconv.FormatUint(a.opts.Rules.Version, 16), start, timeText(a.high), timeText(a.idle),
	}, " ")
}

// Restore takes up where an accumulator committed this metadata. An empty text means that nothing was committed. After
// an error the accumulator is as new: it goes on from the offset and takes its event time from the records to come.
func (a *Accumulator) Restore(metadata string) error {
	if metadata == "" {
		return nil
	}
	fields := strings.Fields(metadata)
	if len(fields) != 5 || fields[0] != metadataVersion {
		return fmt.Errorf("metadata of %s: %q is not of version %s: written by another version of freshet",
			a.opts.Source, cut(metadata, 80), metadataVersion)
	}
	version, err := strconv.ParseUint(fields[1], 16, 64)
	if err != nil {
		return fmt.Errorf("metadata of %s: version of the rules: %w", a.opts.Source, err)
	}
	var times [3]int64
	for i, text := range fields[2:] {
		if text == "none" && i == 0 {
			continue
		}
		if times[i], err = parseTime(text); err != nil {
			return fmt.Errorf("metadata of %s: %w", a.opts.Source, err)
		}
	}
	a.started, a.start = fields[2] != "none", math.MinInt64
	a.high, a.idle = times[1], times[2]
	if a.started {
		a.start = times[0]
	}
	// Other rules were in force before: windows are complete under the present ones from here on.
	if reached, ok := a.eventTime(); version != a.opts.Rules.Version && ok {
		a.started, a.start = true, reached
	}
	return nil
}

// timeText writes a time, math.MinInt64 as "-".
func timeText(t int64) string {
	if t == math.MinInt64 {
		return "-"
	}
	return strconv.FormatInt(t, 10)
}

func parseTime(text string) (int64, error) {
	if text == "-" {
		return math.MinInt64, nil
	}
	t, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("event time: %w", err)
	}
	if !sane(t) {
		return 0, fmt.Errorf("event time %d is out of range", t)
	}
	return t, nil
}

// String returns the source as topic/partition.
func (s Source) String() string { return s.Topic + "/" + strconv.Itoa(int(s.Partition)) }
