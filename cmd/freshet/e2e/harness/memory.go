package harness

import (
	"os"
	"strconv"
	"strings"
)

// PeakMemory returns the most resident memory in bytes that a living process has had, 0 where the system does not say.
// What the system accounts to a process that has ended would not do: it is never less than its parent's.
func PeakMemory(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
	kilobytes, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
