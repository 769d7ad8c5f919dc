package access

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The kinds of temporary files, which are created in the folder of the file that they are for.
const (
	TempNew     = "new"
	TempCompact = "compact"
	TempBackup  = "backup"
	TempExport  = "export" // of the command
)

var tempKinds = []string{TempNew, TempCompact, TempBackup, TempExport}

const (
	tempPrefix  = ".kv-"
	randomBytes = 8

	// LogSuffix is appended to the name of a file to name its log.
	LogSuffix = "-log"
)

// TempName returns a name for a temporary file: the prefix of its kind, a random number, a
// dash and a checksum of the two. Other files do not have such names, not even a file that a
// user named .kv-backup-20261129.
func TempName(kind string) string {
	number := make([]byte, randomBytes)
	rand.Read(number) // never fails
	return tempPrefix + kind + "-" + hex.EncodeToString(number) + "-" + tempChecksum(kind, number)
}

func tempChecksum(kind string, number []byte) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(append([]byte("scriptling-kv "+kind+" "), number...)))
}

// isTempName reports whether TempName has made a name.
func isTempName(name string) bool {
	rest, ok := strings.CutPrefix(name, tempPrefix)
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 3 || !slices.Contains(tempKinds, parts[0]) {
		return false
	}
	number, err := hex.DecodeString(parts[1])
	return err == nil && len(number) == randomBytes && parts[2] == tempChecksum(parts[0], number)
}

// foldsNames is whether the system's usual file systems take APP.DB for app.db.
const foldsNames = runtime.GOOS == "windows" || runtime.GOOS == "darwin" || runtime.GOOS == "ios"

// CheckStoreName returns an error if a store must not have the path: the names of
// temporary files, in any case of letters, because such files are removed as left-overs;
// and the names of logs, in the case of letters that the file system distinguishes.
func CheckStoreName(path string) error {
	name := filepath.Base(path)
	if runtime.GOOS == "windows" { // which takes "x-log.", "x-log " and "x-log::$DATA" for x-log
		name, _, _ = strings.Cut(name, ":")
		name = strings.TrimRight(name, ". ")
	}
	for _, kind := range tempKinds {
		if hasPrefixFold(name, tempPrefix+kind+"-") {
			return kverr.Errorf(kverr.Invalid, "names that start with %s%s- are reserved for temporary files of this library; choose another name", tempPrefix, kind)
		}
	}
	if strings.HasSuffix(name, LogSuffix) || foldsNames && hasSuffixFold(name, LogSuffix) {
		return kverr.Errorf(kverr.Invalid, "%q is the log of the store %q; open that one, or choose another name, which does not end in %s",
			kverr.Shorten(name), kverr.Shorten(name[:len(name)-len(LogSuffix)]), LogSuffix)
	}
	return nil
}

// hasPrefixFold also knows the letters outside of ASCII that fold to one, such as the
// Kelvin sign to k.
func hasPrefixFold(s, prefix string) bool {
	runes := []rune(s)
	return len(runes) >= len(prefix) && strings.EqualFold(string(runes[:len(prefix)]), prefix)
}

func hasSuffixFold(s, suffix string) bool {
	runes := []rune(s)
	return len(runes) >= len(suffix) && strings.EqualFold(string(runes[len(runes)-len(suffix):]), suffix)
}
