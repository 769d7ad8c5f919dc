package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// script is a script and how many of a store's keys it uses: V, or V and I, or V,
// I and D, or all. On the server, each key and argument of a call takes time.
type script struct {
	text    string
	sha     string
	keys    int
	numKeys string
	source  string // of the text, with the lines that publish
	name    string
	others  sync.Map // of database numbers to *script; see publishing
}

// newScript makes a script. Its name begins the text, so that SLOWLOG shows it. Lines that
// begin with @ publish changes: LIVE is the channel for keys that have a value, and
// GONE for that of removed keys.
func newScript(name string, keys int, source string) *script {
	text := strings.NewReplacer("\n@", "\n", "LIVE", "KEYS[1]", "GONE", "KEYS[2]").Replace(source)
	return newText(name, keys, source, text)
}

func newText(name string, keys int, source, text string) *script {
	text = "-- kv." + name + text
	sum := sha1.Sum([]byte(text))
	return &script{text: text, sha: hex.EncodeToString(sum[:]), keys: keys, numKeys: strconv.Itoa(keys), source: source, name: name}
}

// quietly marks a database whose changes are not published.
const quietly = -1

// publishing returns the script for a database. The databases of a server share its
// channels, so those of other databases than 0 have other names.
func (s *script) publishing(db int) *script {
	if db == 0 {
		return s
	}
	if other, ok := s.others.Load(db); ok {
		return other.(*script)
	}
	text := publishes.ReplaceAllString(s.source, "")
	if db != quietly {
		suffix := channelSuffix(db)
		text = strings.NewReplacer("\n@", "\n", "LIVE", "KEYS[1]..'"+suffix+"'", "GONE", "KEYS[2]..'"+suffix+"'").Replace(s.source)
	}
	other, _ := s.others.LoadOrStore(db, newText(s.name, s.keys, s.source, text))
	return other.(*script)
}

var publishes = regexp.MustCompile("\n@[^\n]*")

// channels returns the names of the channels of a store, LIVE and GONE.
func (s *store) channels() []string {
	suffix := channelSuffix(s.server.identity.db)
	return []string{s.keys[0] + suffix, s.keys[1] + suffix}
}

func channelSuffix(db int) string {
	if db == 0 {
		return ""
	}
	return ":" + strconv.Itoa(db)
}

// The scripts, one for each hot operation and one for all of them. KEYS are {NAME}:v,
// {NAME}:i, {NAME}:d, {NAME}:m. Times are in microseconds; the numbers of Lua hold them
// exactly for two hundred years to come. A script writes nothing before it knows that it
// will not fail; a ZADD that the user lost the right to takes back the value.
//
//	scripts.go         one key
//	scripts_batch.go   several keys
//	scripts_store.go   the store: opening, pages, counting, sweeping, repair
//
// The deadline of a key with an expiry is in {NAME}:d, and in the payload unless that is
// a large one, so that expire need not touch a large value.

// addKey adds a new key to the index, or takes back its value and ends the script. A score is
// a string, because the server formats numbers slowly.
const addKey = `
  local e=redis.pcall('ZADD',KEYS[2],'0',k)
  if e~=1 and type(e)=='table' then redis.call('HDEL',KEYS[1],k) return e end`

// scriptSet: key, payload.
var scriptSet = newScript("set", 3, `
local k=ARGV[1]
if redis.call('HSET',KEYS[1],k,ARGV[2])==1 then`+addKey+`
else redis.call('ZREM',KEYS[3],k) end
@redis.pcall('SPUBLISH',LIVE,k)
return 1`)

// scriptSetTTL: key, payload, ttl.
var scriptSetTTL = newScript("set", 3, `
local call,k,p=redis.call,ARGV[1],ARGV[2]
local t=call('TIME')
local d=string.format('%.0f',t[1]*1000000+t[2]+ARGV[3])
if string.byte(p,1)~=38 then p='!'..d..'!'..p end
if call('HSET',KEYS[1],k,p)==1 then`+addKey+`
end
call('ZADD',KEYS[3],d,k)
@redis.pcall('SPUBLISH',LIVE,k)
return 1`)

// scriptIncr: key, an int. It returns the sum, or false where it takes more than
// adding an int to an int without expiry, which have the payloads that HINCRBY
// takes. Where the sum is what was added, the key may be a new one.
var scriptIncr = newScript("incr", 2, `
local n=redis.pcall('HINCRBY',KEYS[1],ARGV[1],ARGV[2])
if type(n)~='number' then return false end
if n==ARGV[2]+0 then
  local e=redis.pcall('ZADD',KEYS[2],'0',ARGV[1])
  if e~=1 and type(e)=='table' then
    if redis.call('ZSCORE',KEYS[2],ARGV[1]) then redis.call('HINCRBY',KEYS[1],ARGV[1],-ARGV[2]) else redis.call('HDEL',KEYS[1],ARGV[1]) end
    return e
  end
end
@redis.pcall('SPUBLISH',LIVE,ARGV[1])
if n>=9007199254740992 or n<=-9007199254740992 then return redis.call('HGET',KEYS[1],ARGV[1]) end
return n`)

// scriptIncrTTL: key, an int, ttl. It is scriptIncr for keys that have an expiry, or
// get one. Numbers of up to 15 digits are exact in Lua.
var scriptIncrTTL = newScript("incr", 3, `
local call,format,k,add=redis.call,string.format,ARGV[1],ARGV[2]
local p=call('HGET',KEYS[1],k)
local ttl,now=ARGV[3]+0,nil
if #add>15 or p and string.byte(p,1)~=33 then return false end
if p or ttl>0 then
  local t=call('TIME')
  now=t[1]*1000000+t[2]
end
if p then
  local d,n=string.match(p,'^!(%d+)!(-?[1-9]%d*)$')
  if not d then
    d=string.match(p,'^!(%d+)!')
    if not d then return false end
    n=string.sub(p,#d+3)=='0' and '0'
  end
  if d+0>now then
    if not n or #n>15 then return false end
    local sum=format('%.0f',n+add)
    call('HSET',KEYS[1],k,'!'..d..'!'..sum)
@redis.pcall('SPUBLISH',LIVE,k)
    return sum
  end
end
local d=ttl>0 and format('%.0f',now+ttl)
call('HSET',KEYS[1],k,d and '!'..d..'!'..add or add)
if not p then`+addKey+`
end
if d then call('ZADD',KEYS[3],d,k) elseif p then call('ZREM',KEYS[3],k) end
@redis.pcall('SPUBLISH',LIVE,k)
return add`)

// scriptAdd: key, payload. It returns 1 if the key was absent.
var scriptAdd = newScript("add", 3, `
local call,k=redis.call,ARGV[1]
if call('HSETNX',KEYS[1],k,ARGV[2])==1 then`+addKey+`
else
  local was=call('ZSCORE',KEYS[3],k)
  if not was then return 0 end
  local t=call('TIME')
  if was+0>t[1]*1000000+t[2] then return 0 end
  call('HSET',KEYS[1],k,ARGV[2])
  call('ZREM',KEYS[3],k)
end
@redis.pcall('SPUBLISH',LIVE,k)
return 1`)

// scriptAddTTL: key, payload, ttl. It is scriptAdd with an expiry.
var scriptAddTTL = newScript("add", 3, `
local call,k,p=redis.call,ARGV[1],ARGV[2]
local t=call('TIME')
local now=t[1]*1000000+t[2]
local d=string.format('%.0f',now+ARGV[3])
if string.byte(p,1)~=38 then p='!'..d..'!'..p end
if call('HSETNX',KEYS[1],k,p)==1 then`+addKey+`
else
  local was=call('ZSCORE',KEYS[3],k)
  if not was or was+0>now then return 0 end
  call('HSET',KEYS[1],k,p)
end
call('ZADD',KEYS[3],d,k)
@redis.pcall('SPUBLISH',LIVE,k)
return 1`)

// scriptSwap: key, old payload, new payload, neither of them large. It keeps the
// remaining ttl. It returns 1 if the live value was the old one, false for a large value.
var scriptSwap = newScript("swap", 1, `
local k=ARGV[1]
local p=redis.call('HGET',KEYS[1],k)
if not p then return 0 end
if p==ARGV[2] then redis.call('HSET',KEYS[1],k,ARGV[3])
else
  local kind=string.byte(p,1)
  if kind==38 then return false end
  if kind~=33 then return 0 end
  local d=string.match(p,'^!(%d+)!')
  if not d then return false end
  local t=redis.call('TIME')
  if d+0<=t[1]*1000000+t[2] or string.sub(p,#d+3)~=ARGV[2] then return 0 end
  redis.call('HSET',KEYS[1],k,'!'..d..'!'..ARGV[3])
end
@redis.pcall('SPUBLISH',LIVE,k)
return 1`)

// scriptDelete: key. It returns 1 if the key was live.
var scriptDelete = newScript("delete", 3, `
local call,k=redis.call,ARGV[1]
local d=call('ZSCORE',KEYS[3],k)
if call('HDEL',KEYS[1],k)==0 then return 0 end
call('ZREM',KEYS[2],k)
@redis.pcall('SPUBLISH',GONE,k)
if not d then return 1 end
call('ZREM',KEYS[3],k)
local t=call('TIME')
return d+0>t[1]*1000000+t[2] and 1 or 0`)

// scriptExpire: key, ttl (0: none). It returns 0 if the key was not live, 2 if its value is
// large, else 1. Only what is longer than 65,636 bytes has the mark of a large value, so a longer
// value is not read.
var scriptExpire = newScript("expire", 3, `
local call,k=redis.call,ARGV[1]
local n=call('HSTRLEN',KEYS[1],k)
local p=n<=65636 and call('HGET',KEYS[1],k)`+expire)

// scriptExpireSmall is scriptExpire without asking for the length, for keys that had a small
// value when this host looked last.
var scriptExpireSmall = newScript("expire", 3, `
local call,k=redis.call,ARGV[1]
local n,p=0,call('HGET',KEYS[1],k)`+expire)

const expire = `
if not p and n==0 then return 0 end
local t=call('TIME')
local now=t[1]*1000000+t[2]
local d=p and string.match(p,'^!(%d+)!')
if d then
  if d+0<=now then return 0 end
  p=string.sub(p,#d+3)
elseif p and string.byte(p,1)~=38 then
  if p=='' or string.byte(p,1)==33 then return redis.error_reply('KVDATA') end
else
  d=call('ZSCORE',KEYS[3],k)
  if d and d+0<=now then return 0 end
  p=false
end
if ARGV[2]~='0' then
  d=string.format('%.0f',now+ARGV[2])
  call('ZADD',KEYS[3],d,k)
  if p then call('HSET',KEYS[1],k,'!'..d..'!'..p) end
else
  call('ZREM',KEYS[3],k)
  if p then call('HSET',KEYS[1],k,p) end
end
@redis.pcall('SPUBLISH',LIVE,k)
return p and 1 or 2`

// scriptTTL: keys. It returns for each the remaining ttl, -1 without expiry, -2 if it is not
// live. It does not touch the values.
var scriptTTL = newScript("ttl", 3, `
local call,unpack=redis.call,unpack
local r,now={},nil
local mortal=#ARGV<10 or call('ZCARD',KEYS[3])>1
for i=1,#ARGV,4000 do
  local last=math.min(i+3999,#ARGV)
  local there=call('ZMSCORE',KEYS[2],unpack(ARGV,i,last))
  local due=mortal and call('ZMSCORE',KEYS[3],unpack(ARGV,i,last)) or {}
  for j=1,last-i+1 do
    if not there[j] then r[i+j-1]=-2
    elseif not due[j] then r[i+j-1]=-1
    else
      if not now then
        local t=call('TIME')
        now=t[1]*1000000+t[2]
      end
      local left=due[j]-now
      r[i+j-1]=left>0 and left or -2
    end
  end
end
return r`)
