package memory

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// cgroupShare is how much of a container's memory Go may use; the rest is for what Go does not count.
const cgroupShare = 0.9

// SetLimit sets the memory limit of Go's runtime for this process and returns it, 0 for none: what is configured, else
// what the variable GOMEMLIMIT says, else nine tenths of the limit of the process's cgroup, where there is one.
func SetLimit(configured int64, log *slog.Logger) int64 {
	limit, from := configured, "memory_limit"
	switch {
	case configured > 0:
		debug.SetMemoryLimit(configured)
	case os.Getenv("GOMEMLIMIT") != "":
		limit, from = debug.SetMemoryLimit(-1), "GOMEMLIMIT"
	default:
		var err error
		from = "cgroup"
		limit, err = memlimit.Set(memlimit.WithRatio(cgroupShare), memlimit.WithProvider(memlimit.FromCgroup))
		if err != nil && !errors.Is(err, memlimit.ErrCgroupsNotSupported) && !errors.Is(err, memlimit.ErrNoCgroup) {
			log.Warn("the memory limit of the cgroup cannot be read, there is none then; memory_limit sets one", slog.Any("error", err))
		}
	}
	if limit <= 0 || limit == math.MaxInt64 {
		return 0
	}
	log.Debug("memory is limited", slog.Int64("bytes", limit), slog.String("by", from))
	return limit
}
