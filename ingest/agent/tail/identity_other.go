//go:build !unix

package tail

import "os"

// identity tells files apart by name where the system gives no numbers, so that a renamed file is a new one.
type identity struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	name   string
}

func identityOf(path string, _ os.FileInfo) identity { return identity{name: path} }
