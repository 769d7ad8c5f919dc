package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
)

// script is a script and how many of a store's keys it uses: V, or V and I, or V,
// I and D, or all. On the server, each key and argument of a call takes time.
type script struct {
	text    string
	sha     string
	keys    int
	numKeys string
}

// newScript makes a script. Its name begins the text, so that SLOWLOG shows it.
func newScript(name string, keys int, text string) *script {
	text = "-- kv." + name + text
	sum := sha1.Sum([]byte(text))
	return &script{text: text, sha: hex.EncodeToString(sum[:]), keys: keys, numKeys: strconv.Itoa(keys)}
}

// The scripts, one for each hot operation and one for all of them. KEYS are
// {NAME}:v, {NAME}:i, {NAME}:d, {NAME}:m. Times are in microseconds; the numbers
// of Lua hold them exactly for two hundred years to come. A script writes nothing
// before it knows that it will not fail.

// scriptSet: key, payload.
var scriptSet = newScript("set", 3, `
if redis.call('HSET',KEYS[1],ARGV[1],ARGV[2])==1 then redis.call('ZADD',KEYS[2],0,ARGV[1]) else redis.call('ZREM',KEYS[3],ARGV[1]) end
return 1`)

// scriptSetTTL: key, payload, ttl.
var scriptSetTTL = newScript("set", 3, `
local t=redis.call('TIME')
local d=string.format('%.0f',t[1]*1000000+t[2]+ARGV[3])
if redis.call('HSET',KEYS[1],ARGV[1],'!'..d..'!'..ARGV[2])==1 then redis.call('ZADD',KEYS[2],0,ARGV[1]) end
redis.call('ZADD',KEYS[3],d,ARGV[1])
return 1`)

// scriptSetMany: ttl (0: none), then pairs of key and payload.
var scriptSetMany = newScript("set_many", 3, `
local ttl,d=tonumber(ARGV[1]),nil
if ttl>0 then
  local t=redis.call('TIME')
  d=string.format('%.0f',t[1]*1000000+t[2]+ttl)
end
local mortals=d or redis.call('EXISTS',KEYS[3])==1
for i=2,#ARGV,2000 do
  local last=math.min(i+1999,#ARGV)
  local new
  if d then
    local head,put='!'..d..'!',{}
    for j=i,last,2 do put[j-i+1]=ARGV[j] put[j-i+2]=head..ARGV[j+1] end
    new=redis.call('HSET',KEYS[1],unpack(put))
  else
    new=redis.call('HSET',KEYS[1],unpack(ARGV,i,last))
  end
  local names={}
  if new>0 or d then
    for j=i,last,2 do names[j-i+1]='0' names[j-i+2]=ARGV[j] end
    if new>0 then redis.call('ZADD',KEYS[2],unpack(names)) end
  end
  if d then
    for j=1,#names,2 do names[j]=d end
    redis.call('ZADD',KEYS[3],unpack(names))
  elseif mortals then
    local n=0
    for j=i,last,2 do n=n+1 names[n]=ARGV[j] end
    redis.call('ZREM',KEYS[3],unpack(names,1,n))
  end
end
return 1`)

// scriptIncr: key, an int. It returns the sum, or false where it takes more than
// adding an int to an int without expiry, which have the payloads that HINCRBY
// takes. Where the sum is what was added, the key may be a new one.
var scriptIncr = newScript("incr", 2, `
local n=redis.pcall('HINCRBY',KEYS[1],ARGV[1],ARGV[2])
if type(n)~='number' then return false end
if n==tonumber(ARGV[2]) then redis.call('ZADD',KEYS[2],0,ARGV[1]) end
if n>=9007199254740992 or n<=-9007199254740992 then return redis.call('HGET',KEYS[1],ARGV[1]) end
return n`)

// scriptLoad: most bytes of payloads (0: only their deadlines are wanted), then
// keys. It returns now, then for each key false or its payload.
var scriptLoad = newScript("get_many", 1, `
local t=redis.call('TIME')
local r={string.format('%.0f',t[1]*1000000+t[2])}
local size,limit=0,tonumber(ARGV[1])
for i=2,#ARGV,100 do
  local p=redis.call('HMGET',KEYS[1],unpack(ARGV,i,math.min(i+99,#ARGV)))
  for j=1,#p do
    local v=p[j]
    if v and limit==0 then v=(string.match(v,'^!%d+!') or '')..'0' end
    r[i+j-1]=v
    if v then size=size+string.len(v) end
  end
  if limit>0 and size>limit then return redis.error_reply('KVLARGE') end
end
return r`)

// scriptApply carries out a batch. ARGV: limit of keys (0: none), then for each
// operation its kind, key, payload, old payload, ttl (0: none) and whether the
// old value is wanted. It returns three things for each: 1 if it was applied, the
// old payload, the new one.
//
// What becomes of every key is planned first. Ints are added in two parts of nine
// digits each, because Lua's numbers are floats. The kinds are those of
// extlibs.OpKind.
var scriptApply = newScript("apply", 3, `
local V,I,D=KEYS[1],KEYS[2],KEYS[3]
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local plan,order,reply,damaged={},{},{},false
local function isfloat(p) local b=string.sub(p,1,1) return b=='#' or b=='\251' end -- a NaN with other bits is CBOR
local function float(p)
  if string.sub(p,1,1)=='\251' then return 0/0 end
  if isfloat(p) then p=string.sub(p,2) end
  if p=='nan' then return 0/0 elseif p=='inf' then return 1/0 elseif p=='-inf' then return -1/0 end
  return tonumber(p)
end
local function text(f)
  if f~=f then return '#nan' elseif f==1/0 then return '#inf' elseif f==-1/0 then return '#-inf' end
  return '#'..string.format('%.17g',f)
end
local function parts(p)
  local sign=1
  if string.sub(p,1,1)=='-' then sign=-1 p=string.sub(p,2) end
  return sign*tonumber('0'..string.sub(p,1,-10)),sign*tonumber(string.sub(p,-9))
end
local function add(a,b)
  local h1,l1=parts(a)
  local h2,l2=parts(b)
  local c=math.floor((l1+l2)/1000000000)
  local h,l=h1+h2+c,l1+l2-c*1000000000
  if h>9223372036 or (h==9223372036 and l>854775807) or h< -9223372037 or (h==-9223372037 and l<145224192) then return nil end
  local sign=''
  if h<0 then
    sign='-'
    if l>0 then h=h+1 l=1000000000-l end
    h=-h
  end
  if h==0 then return sign..string.format('%.0f',l) end
  return sign..string.format('%.0f%09.0f',h,l)
end
local function valid(p) -- as far as a script may tell
  local b=string.byte(p,1,1) or 0
  if b>=64 or b==34 then return true end
  if b==35 then return float(p)~=nil end
  return string.len(p)<=20 and string.find(p,'^-?%d+$') and add(p,'0')==p
end
local function state(k)
  local s=plan[k]
  if s then return s end
  s={}
  local o=redis.call('HGET',V,k)
  if o then
    s.stored=true
    if string.sub(o,1,1)=='!' then
      local e=string.find(o,'!',2,true)
      s.was=e and tonumber(string.sub(o,2,e-1))
      if not s.was then damaged=true s.p='0'
      elseif s.was>now then s.p=string.sub(o,e+1) s.d=s.was end
    else s.p=o end
    if s.p and not valid(s.p) then damaged=true end
    s.live=s.p~=nil
  end
  plan[k]=s
  order[#order+1]=k
  return s
end
for i=2,#ARGV,6 do
  local kind,k,p,old,ttl=tonumber(ARGV[i]),ARGV[i+1],ARGV[i+2],ARGV[i+3],tonumber(ARGV[i+4])
  local s=state(k)
  local cur,applied,new=s.p,0,''
  local function put(keep)
    applied=1 new=p s.p=p s.changed=true
    if not keep or cur==nil then s.d=ttl>0 and now+ttl or nil end
  end
  if kind==1 then put(false)
  elseif kind==2 then if cur==nil then put(false) end
  elseif kind==3 then if (cur or '')==old then put(true) end
  elseif kind==4 then if (cur or '')==old then put(false) end
  elseif kind==5 or (kind==6 and cur==old) then
    if cur~=nil then applied=1 s.p=nil s.d=nil s.changed=true end
  elseif kind==7 then
    if cur~=nil then applied=1 s.changed=true s.d=ttl>0 and now+ttl or nil end
  elseif kind==8 or kind==9 then
    if cur==nil then put(false)
    else
      local f=isfloat(cur)
      if not f and not string.find(cur,'^[-%d]') then return redis.error_reply('KVTYPE') end
      if damaged then return redis.error_reply('KVDATA') end
      if f and kind==9 then return redis.error_reply('KVFLOAT') end
      if f or isfloat(p) then p=text(float(cur)+float(p))
      else
        p=add(cur,p)
        if not p then return redis.error_reply('KVOVERFLOW') end
      end
      put(true)
    end
  end
  reply[#reply+1]=applied
  reply[#reply+1]=ARGV[i+5]=='1' and cur or ''
  reply[#reply+1]=new
end
if damaged then return redis.error_reply('KVDATA') end
local limit=tonumber(ARGV[1])
if limit>0 then
  local n=0
  for _,k in ipairs(order) do
    local s=plan[k]
    if s.changed then
      if s.p and not s.live then n=n+1 elseif s.live and not s.p then n=n-1 end
    end
  end
  if n>0 and redis.call('HLEN',V)-redis.call('ZCOUNT',D,'-inf',now)+n>limit then return redis.error_reply('KVFULL') end
end
for _,k in ipairs(order) do
  local s=plan[k]
  if s.changed then
    if s.p then
      local d=s.d and string.format('%.0f',s.d)
      redis.call('HSET',V,k,d and '!'..d..'!'..s.p or s.p)
      if not s.stored then redis.call('ZADD',I,0,k) end
      if d then redis.call('ZADD',D,d,k) elseif s.was then redis.call('ZREM',D,k) end
    elseif s.stored then
      redis.call('HDEL',V,k)
      redis.call('ZREM',I,k)
      if s.was then redis.call('ZREM',D,k) end
    end
  end
end
return reply`)

// scriptScan: lower and upper bound as ZRANGEBYLEX wants them, most entries, most
// bytes of payloads, whether payloads are wanted. It returns the epoch, 1 if there
// is more, the last key looked at, now, then each key with its payload.
var scriptScan = newScript("scan", 4, `
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
if redis.call('HLEN',KEYS[1])~=redis.call('ZCARD',KEYS[2]) then return redis.error_reply('KVLOST') end
local n=tonumber(ARGV[3])
local keys=redis.call('ZRANGEBYLEX',KEYS[2],ARGV[1],ARGV[2],'LIMIT',0,n+1)
local more=0
if #keys>n then more=1 keys[#keys]=nil end
local r={redis.call('HGET',KEYS[4],'epoch') or '0',more,keys[#keys] or '',string.format('%.0f',now)}
if ARGV[5]=='0' then
  local mortal=redis.call('ZCARD',KEYS[3])>0
  for _,k in ipairs(keys) do
    local d=mortal and redis.call('ZSCORE',KEYS[3],k)
    if not d or tonumber(d)>now then r[#r+1]=k r[#r+1]='' end
  end
  return r
end
local size,limit=0,tonumber(ARGV[4])
for i=1,#keys,100 do
  local last=math.min(i+99,#keys)
  local p=redis.call('HMGET',KEYS[1],unpack(keys,i,last))
  for j=1,#p do
    if size>limit then
      r[2]=1
      r[3]=keys[i+j-2]
      return r
    end
    if p[j] then
      r[#r+1]=keys[i+j-1]
      r[#r+1]=p[j]
      size=size+string.len(p[j])
    end
  end
end
return r`)

// scriptLen counts what has not expired.
var scriptLen = newScript("count", 3, `
local t=redis.call('TIME')
local all=redis.call('HLEN',KEYS[1])
local n=all-redis.call('ZCOUNT',KEYS[3],'-inf',t[1]*1000000+t[2])
if n<0 or all~=redis.call('ZCARD',KEYS[2]) then return redis.error_reply('KVLOST') end
return n`)

// scriptClear begins a new epoch, which is never one that was there before, even
// after the server has lost the last one. ARGV: the format.
var scriptClear = newScript("clear", 4, `
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local e=(tonumber(redis.call('HGET',KEYS[4],'epoch') or '0') or 0)+1
redis.call('UNLINK',KEYS[1],KEYS[2],KEYS[3]) -- first, so that a full server goes on with the rest
redis.call('HSET',KEYS[4],'format',ARGV[1],'epoch',string.format('%.0f',math.max(e,now)))
return 1`)

// scriptSweep removes expired keys: at most ARGV[1]. It returns how many, and the
// time until the next deadline, -1 if there is none.
var scriptSweep = newScript("sweep", 3, `
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local due=redis.call('ZRANGEBYSCORE',KEYS[3],'-inf',now,'LIMIT',0,ARGV[1])
if #due>0 then
  redis.call('HDEL',KEYS[1],unpack(due))
  redis.call('ZREM',KEYS[2],unpack(due))
  redis.call('ZREM',KEYS[3],unpack(due))
end
local first=redis.call('ZRANGE',KEYS[3],0,0,'WITHSCORES')
if not first[2] then return {#due,-1} end
return {#due,math.max(0,tonumber(first[2])-now)}`)

// scriptOpen: the format that this version knows. It refuses keys that hold
// something else, since others rely on that before they write. It returns the format of the
// store, which is given to a new one.
var scriptOpen = newScript("open", 4, `
for i,want in ipairs({'hash','zset','zset','hash'}) do
  local is=redis.call('TYPE',KEYS[i])
  is=is.ok or is
  if is~=want and is~='none' then return redis.error_reply('WRONGTYPE') end
end
redis.call('HDEL',KEYS[4],'') -- which a replica refuses, and a full server does not
local f=redis.call('HGET',KEYS[4],'format')
if not f then f=ARGV[1] redis.call('HSET',KEYS[4],'format',f) end
return f`)
