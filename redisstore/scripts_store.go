package redisstore

// scriptScan: lower and upper limit as ZRANGEBYLEX wants them, most entries, most
// bytes of payloads, whether payloads are wanted, and any sixth argument for descending
// order. It returns the epoch, 1 if there is more, the last key visited, now, then each
// key with its payload.
var scriptScan = newScript("scan", 4, large+`
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
if redis.call('HLEN',KEYS[1])~=redis.call('ZCARD',KEYS[2]) then return redis.error_reply('KVLOST') end
local n=tonumber(ARGV[3])
local keys
if ARGV[6] then keys=redis.call('ZRANGE',KEYS[2],ARGV[2],ARGV[1],'BYLEX','REV','LIMIT','0',n+1)
else keys=redis.call('ZRANGEBYLEX',KEYS[2],ARGV[1],ARGV[2],'LIMIT','0',n+1) end
local more=0
if #keys>n then more=1 keys[#keys]=nil end
local r={redis.call('HGET',KEYS[4],'epoch') or '0',more,keys[#keys] or '',string.format('%.0f',now)}
if ARGV[5]=='0' then
  local due=#keys>0 and redis.call('ZCARD',KEYS[3])>1 and redis.call('ZMSCORE',KEYS[3],unpack(keys)) or {}
  for i,k in ipairs(keys) do
    if not due[i] or tonumber(due[i])>now then r[#r+1]=k r[#r+1]='' end
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
      local v=p[j]
      if string.byte(v,1,1)==38 then v=withDeadline(KEYS[3],keys[i+j-1],v) end
      r[#r+1]=keys[i+j-1]
      r[#r+1]=v
      size=size+string.len(v)
    end
  end
end
return r`)

// scriptLen counts what has not expired.
var scriptLen = newScript("count", 3, `
local t=redis.call('TIME')
local all=redis.call('HLEN',KEYS[1])
local n=all-1-redis.call('ZCOUNT',KEYS[3],'-inf',t[1]*1000000+t[2])
if n<0 or all~=redis.call('ZCARD',KEYS[2]) then return redis.error_reply('KVLOST') end
return n`)

// keepKeys adds an entry to each key that no key of a store is, since a script for a slot
// that is moving works only where all of its keys exist.
const keepKeys = `
local function keep()
  redis.call('HSET',KEYS[1],'','')
  redis.call('ZADD',KEYS[2],'0','')
  redis.call('ZADD',KEYS[3],'inf','')
end`

// scriptClear begins a new epoch, which is never one that was there before, even
// after the server has lost the last one. ARGV: the format.
var scriptClear = newScript("clear", 4, keepKeys+`
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local e=(tonumber(redis.call('HGET',KEYS[4],'epoch') or '0') or 0)+1
redis.call('UNLINK',KEYS[1],KEYS[2],KEYS[3]) -- first, so that a full server continues with the rest
keep()
redis.call('HSET',KEYS[4],'format',ARGV[1],'epoch',string.format('%.0f',math.max(e,now)))
@redis.pcall('SPUBLISH',LIVE,'')
return 1`)

// scriptSweep removes expired keys: at most ARGV[1]. It returns how many, and the
// time until the next deadline, -1 if there is none.
var scriptSweep = newScript("sweep", 3, `
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local due=redis.call('ZRANGEBYSCORE',KEYS[3],'-inf',now,'LIMIT','0',ARGV[1])
if #due>0 then
  redis.call('HDEL',KEYS[1],unpack(due))
  redis.call('ZREM',KEYS[2],unpack(due))
  redis.call('ZREM',KEYS[3],unpack(due))
@  for _,k in ipairs(due) do redis.pcall('SPUBLISH',GONE,k) end
end
local first=redis.call('ZRANGE',KEYS[3],0,0,'WITHSCORES')
if not first[2] or first[2]=='inf' then return {#due,-1} end
return {#due,math.max(0,tonumber(first[2])-now)}`)

// scriptOpen: the format that this version knows, and the one before. It refuses keys that
// hold something else, since others rely on that before they write, and a user without the
// rights that the scripts need. It returns the format of the store, which is given to a new
// one, 1 if the index has not as many keys as there are values, and 1 if scripts can publish
// to the channels of the store.
var scriptOpen = newScript("open", 4, keepKeys+`
for i,want in ipairs({'hash','zset','zset','hash'}) do
  local is=redis.call('TYPE',KEYS[i])
  is=is.ok or is
  if is~=want and is~='none' then return redis.error_reply('WRONGTYPE') end
end
if redis.acl_check_cmd then
  local V,I,D,M=unpack(KEYS)
  local missing={}
  for _,c in ipairs({{'HGET',V,'k'},{'HMGET',V,'k'},{'HSET',V,'k','v'},{'HSETNX',V,'k','v'},{'HDEL',V,'k'},{'HINCRBY',V,'k','1'},
    {'HLEN',V},{'HSTRLEN',V,'k'},{'HEXISTS',V,'k'},{'HSCAN',V,'0'},{'ZADD',I,'0','k'},{'ZREM',I,'k'},{'ZSCORE',D,'k'},
    {'ZMSCORE',I,'k'},{'ZCARD',I},{'ZCOUNT',D,'0','1'},{'ZSCAN',I,'0'},{'ZRANGE',D,'0','0'},{'ZRANGEBYLEX',I,'-','+'},
    {'ZRANGEBYSCORE',D,'0','1'},{'UNLINK',V,I,D},{'TIME'}}) do
    if not redis.acl_check_cmd(unpack(c)) then missing[#missing+1]=c[1] end
  end
  if #missing>0 then return redis.error_reply('KVPERM '..table.concat(missing,' ')) end
end
redis.call('HDEL',KEYS[4],'') -- which a replica refuses, and a full server does not
local f=redis.call('HGET',KEYS[4],'format')
if not f then
  f=ARGV[1]
  redis.call('HSET',KEYS[4],'format',f)
  keep()
elseif f==ARGV[2] then
  keep()
end
local heard=(not redis.acl_check_cmd or redis.acl_check_cmd('SPUBLISH',KEYS[1],'k') and redis.acl_check_cmd('SPUBLISH',KEYS[2],'k'))
  and redis.pcall('SPUBLISH',KEYS[4],'')
local differ=redis.call('HLEN',KEYS[1])~=redis.call('ZCARD',KEYS[2])
return {f,differ and redis.call('HEXISTS',KEYS[1],'')==1 and 1 or 0,type(heard)=='number' and 1 or 0}`)

// scriptMigrate: cursor, the format that this version knows. It marks large values of the
// format before, page by page, and then gives the store the new format. It returns the next
// cursor.
var scriptMigrate = newScript("migrate", 4, `
local page=redis.call('HSCAN',KEYS[1],ARGV[1],'COUNT',100)
for i=1,#page[2],2 do
  local k,p=page[2][i],page[2][i+1]
  local mortal=string.match(p,'^!%d+!')
  local bare=mortal and string.sub(p,string.len(mortal)+1) or p
  if string.len(bare)>65536 and string.byte(bare,1,1)~=38 then redis.call('HSET',KEYS[1],k,'&'..bare) end
end
if page[1]=='0' then redis.call('HSET',KEYS[4],'format',ARGV[2]) end
return page[1]`)

// scriptIndex: cursor. It adds a page of the values to the index, and their deadlines. It
// returns the next cursor, and how many it added.
var scriptIndex = newScript("repair", 3, `
local page=redis.call('HSCAN',KEYS[1],ARGV[1],'COUNT',200)
local added=0
for i=1,#page[2],2 do
  local k,d=page[2][i],string.match(page[2][i+1],'^!(%d+)!')
  added=added+redis.call('ZADD',KEYS[2],'0',k)
  if d then redis.call('ZADD',KEYS[3],d,k) end
end
if redis.call('HEXISTS',KEYS[1],'')==1 then redis.call('ZADD',KEYS[3],'inf','') end
return {page[1],added}`)

// scriptUnindex: cursor. It removes keys without a value from a page of the index. It
// returns the next cursor, and how many it removed.
var scriptUnindex = newScript("repair", 3, `
local page=redis.call('ZSCAN',KEYS[2],ARGV[1],'COUNT',500)
local removed=0
for i=1,#page[2],2 do
  local k=page[2][i]
  if redis.call('HEXISTS',KEYS[1],k)==0 then
    redis.call('ZREM',KEYS[2],k)
    redis.call('ZREM',KEYS[3],k)
    removed=removed+1
  end
end
return {page[1],removed}`)
