package kvadmin

import (
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/sizes"
)

// node is a row of a tree: a key, or a folder, which is all keys with a longer prefix that
// ends with a separator.
type node struct {
	extlibs.Entry
	folder string // "" for a key
	count  int    // keys in the folder; -1: not counted
	more   bool   // there are more than count
}

// Limits of a page of a tree.
const (
	treeStep  = 32                    // keys read at once
	treeCount = 1000                  // keys counted in a folder
	treeTime  = 40 * time.Millisecond // for counting folders
)

// skip is greater than each byte of UTF-8.
const skip = "\xff"

// tree returns the rows below a prefix that come after a key, at most limit, and the after of
// the next page. A folder takes one step to skip, however many keys it has.
func (q *request) tree(prefix, after string, limit int) (rows []node, next string, err error) {
	read := 0
	for {
		need := extlibs.NeedAll
		if read > infoBytes {
			need = extlibs.NeedTTL
		}
		page, err := q.store.Store().Scan(q.ctx, extlibs.Range{Prefix: prefix, After: after, Limit: treeStep, Need: need})
		if err == nil {
			err = q.ctx.Err()
		}
		if err != nil {
			return rows, "", err
		}
		folder := ""
		for _, e := range page.Entries {
			if q.hides(e.Key) || folder != "" && strings.HasPrefix(e.Key, folder) {
				continue
			}
			if len(rows) == limit {
				return rows, after, nil
			}
			folder = folderOf(prefix, e.Key)
			rows = append(rows, node{Entry: e, folder: folder, count: -1})
			read += e.Value.Len()
			if after = e.Key; folder != "" {
				after = folder + skip
			}
		}
		if !page.More {
			return rows, "", nil
		}
		if after < page.Next {
			after = page.Next
		}
	}
}

// folderOf returns the folder below prefix that a key is in, "" if it is not in one.
func folderOf(prefix, key string) string {
	if i := strings.IndexAny(key[len(prefix):], sizes.Separators); i >= 0 {
		return key[:len(prefix)+i+1]
	}
	return ""
}

// countFolders counts the keys of folders as long as there is time, each up to treeCount. A
// folder of one key becomes that key.
func (q *request) countFolders(rows []node) error {
	until := time.Now().Add(treeTime)
	for i := range rows {
		row := &rows[i]
		if row.folder == "" {
			continue
		}
		if time.Now().After(until) {
			return nil
		}
		s, n := selection{from: row.folder}, 0
		for e, err := range q.entries(q.ctx, &s, 0) {
			if err != nil {
				return err
			}
			if row.more = n == treeCount; row.more {
				break
			}
			if e.selected {
				n++
			}
		}
		if row.count = n; n == 1 && !row.more {
			row.folder = ""
		}
	}
	return nil
}
