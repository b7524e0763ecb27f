//go:build unix

package tail

import (
	"os"
	"syscall"
)

// identity tells files apart whatever they are called. It is not given to another file while this one is open.
type identity struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	name   string // stays empty: elsewhere files are told apart by name
}

func identityOf(_ string, info os.FileInfo) identity {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{Device: uint64(st.Dev), Inode: st.Ino} //nolint:unconvert // Dev is narrower on some systems
	}
	return identity{name: info.Name()}
}
