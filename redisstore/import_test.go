package redisstore_test

import _ "github.com/scriptling-kv/extlibs/redisstore"
