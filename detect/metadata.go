package detect

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// metadataVersion stands first in the metadata of a committed offset.
const metadataVersion = "2"

// Metadata returns what belongs to the offset of the last record added, to be committed with it: the rules' version, the
// latest idle time and, by each clock, where reading began and the highest time. It is short text, the same for the same
// records and idle times.
func (a *Accumulator) Metadata() string {
	fields := []string{metadataVersion, strconv.FormatUint(a.opts.Rules.Version, 16), timeText(a.idle)}
	for _, c := range a.clocks {
		start := "none"
		if c.started {
			start = timeText(c.start)
		}
		fields = append(fields, start, timeText(c.high))
	}
	return strings.Join(fields, " ")
}

// Restore takes up where an accumulator committed this metadata. An empty text means that nothing was committed. After
// an error the accumulator is as new: it goes on from the offset and takes its times from the records to come.
func (a *Accumulator) Restore(metadata string) error {
	if metadata == "" {
		return nil
	}
	fields := strings.Fields(metadata)
	if len(fields) != 3+2*len(a.clocks) || fields[0] != metadataVersion {
		return fmt.Errorf("metadata of %s: %q is not of version %s: written by another version of freshet",
			a.opts.Source, cut(metadata, 80), metadataVersion)
	}
	version, err := strconv.ParseUint(fields[1], 16, 64)
	if err != nil {
		return fmt.Errorf("metadata of %s: version of the rules: %w", a.opts.Source, err)
	}
	idle, err := parseTime(fields[2])
	clocks := a.clocks
	for i := range clocks {
		c, start, high := &clocks[i], fields[3+2*i], fields[4+2*i]
		if c.started = start != "none"; c.started && err == nil {
			c.start, err = parseTime(start)
		}
		if err == nil {
			c.high, err = parseTime(high)
		}
	}
	if err != nil {
		return fmt.Errorf("metadata of %s: %w", a.opts.Source, err)
	}
	a.idle, a.clocks = idle, clocks
	if version != a.opts.Rules.Version {
		for i := range a.clocks {
			a.clocks[i].begin(idle)
		}
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
		return 0, fmt.Errorf("time: %w", err)
	}
	if !sane(t) {
		return 0, fmt.Errorf("time %d is out of range", t)
	}
	return t, nil
}

// String returns the source as topic/partition.
func (s Source) String() string { return s.Topic + "/" + strconv.Itoa(int(s.Partition)) }
