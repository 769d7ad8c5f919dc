package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Keep gives a new file the owner and the permissions of the file like, as far as this
// process can, and reports whether the file has both now. Without it, a log that root
// creates for a file of another user would lock that user out, and so would a compacted
// file. Permissions that cannot be kept do not prevent writing, but the new file never
// grants a right that like does not grant.
func Keep(f *os.File, like os.FileInfo) (kept bool, err error) {
	info, err := keepOwner(f, like)
	if err != nil {
		return false, err
	}
	mode := like.Mode().Perm()
	uid, gid, ok := owner(info)
	wantUID, wantGID, _ := owner(like)
	sameGroup := !ok || gid == wantGID
	if !sameGroup { // the rights of the group would be those of another one
		mode = mode&^0o070 | mode&(mode<<3)&0o070
	}
	if info.Mode().Perm() != mode {
		f.Chmod(mode) // some file systems have one mode for all files
		if info, err = f.Stat(); err != nil {
			return false, err
		}
	}
	return sameGroup && (!ok || uid == wantUID) && info.Mode().Perm() == like.Mode().Perm(), nil
}

// Alike reports whether two files have the same owner and the same permissions.
func Alike(a, b os.FileInfo) bool {
	uidA, gidA, _ := owner(a)
	uidB, gidB, _ := owner(b)
	return uidA == uidB && gidA == gidB && a.Mode().Perm() == b.Mode().Perm()
}

// NoPermission returns an error that says which file of a store this process may not access,
// and which user owns it. what names the file as part of a sentence; info can be nil.
// NoPermission returns other errors unchanged.
func NoPermission(err error, what string, info os.FileInfo) error {
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, kverr.NotAllowed) {
		return err
	}
	whose := ""
	if info != nil {
		whose = fmt.Sprintf(" (mode %04o", info.Mode().Perm())
		if uid, gid, ok := owner(info); ok {
			whose += fmt.Sprintf(", user %d, group %d; this process is user %d", uid, gid, os.Geteuid())
		}
		whose += ")"
	}
	return kverr.Errorf(fs.ErrPermission, "no permission to open %s%s; allow the host's user to read and write the file and its log, and to write to their directory", what, whose)
}
