//go:build unix

package access

import (
	"os"
	"syscall"
)

// Links returns the number of names (hard links) of a file.
func Links(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// owner returns the user and the group of a file.
func owner(info os.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// keepOwner gives f the user and the group of another file, as far as the system lets
// this process. It returns what f has then.
func keepOwner(f *os.File, like os.FileInfo) (os.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	uid, gid, ok := owner(info)
	wantUID, wantGID, alsoOK := owner(like)
	if !ok || !alsoOK || uid == wantUID && gid == wantGID {
		return info, nil
	}
	if f.Chown(wantUID, wantGID) != nil { // a user gives nothing away, but has several groups
		f.Chown(-1, wantGID)
	}
	return f.Stat()
}
