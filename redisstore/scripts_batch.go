package redisstore

// mayWrite ends a script before it writes, if the user has lost a right since opening.
const mayWrite = `
if redis.acl_check_cmd then
  for c,i in pairs({HSET=1,ZADD=2,HDEL=1,ZREM=3}) do
    if not redis.acl_check_cmd(c,KEYS[i],'0','0') then return redis.error_reply('KVPERM '..c) end
  end
end`

// publishAll publishes keys[from], keys[from+step] and so on, if anybody listens.
const publishAll = `
@local function publish(channel,keys,from,step)
@  if not keys[from] then return end
@  if #keys>10000*step then redis.pcall('SPUBLISH',channel,'') return end
@  local heard=redis.pcall('SPUBLISH',channel,keys[from])
@  if type(heard)~='number' or heard==0 then return end
@  for i=from+step,#keys,step do redis.pcall('SPUBLISH',channel,keys[i]) end
@end`

// scriptSetMany: ttl (0: none), then keys and payloads alternating.
var scriptSetMany = newScript("set_many", 3, mayWrite+publishAll+`
local ttl,d=tonumber(ARGV[1]),nil
if ttl>0 then
  local t=redis.call('TIME')
  d=string.format('%.0f',t[1]*1000000+t[2]+ttl)
end
local mortals=d or redis.call('ZCARD',KEYS[3])>1
for i=2,#ARGV,2000 do
  local last=math.min(i+1999,#ARGV)
  local new
  if d then
    local head,put='!'..d..'!',{}
    for j=i,last,2 do put[j-i+1]=ARGV[j] put[j-i+2]=string.byte(ARGV[j+1],1,1)==38 and ARGV[j+1] or head..ARGV[j+1] end
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
@publish(LIVE,ARGV,2,2)
return 1`)

// scriptLoad: most bytes of payloads, then keys. It returns now, then for each key
// false or its payload.
var scriptLoad = newScript("get_many", 3, large+`
local t=redis.call('TIME')
local r={string.format('%.0f',t[1]*1000000+t[2])}
local size,limit=0,tonumber(ARGV[1])
for i=2,#ARGV,1000 do
  local p=redis.call('HMGET',KEYS[1],unpack(ARGV,i,math.min(i+999,#ARGV)))
  for j=1,#p do
    local v=p[j]
    if v then
      if string.byte(v,1,1)==38 then v=withDeadline(KEYS[3],ARGV[i+j-1],v) end
      size=size+string.len(v)
    end
    r[i+j-1]=v
  end
  if size>limit then return redis.error_reply('KVLARGE') end
end
return r`)

// large puts the deadline of a large value before it, as that of others is.
const large = `
local function withDeadline(D,k,v)
  local d=redis.call('ZSCORE',D,k)
  return d and '!'..d..'!'..v or v
end`

// scriptDeleteMany: keys, all different. It returns a text with a 1 for each that was
// live, else a 0.
var scriptDeleteMany = newScript("delete_many", 3, mayWrite+publishAll+`
local r={}
local mortal=redis.call('ZCARD',KEYS[3])>1
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
for i=1,#ARGV,4000 do
  local last=math.min(i+3999,#ARGV)
  local there=redis.call('ZMSCORE',KEYS[2],unpack(ARGV,i,last))
  local due=mortal and redis.call('ZMSCORE',KEYS[3],unpack(ARGV,i,last)) or {}
  redis.call('HDEL',KEYS[1],unpack(ARGV,i,last))
  redis.call('ZREM',KEYS[2],unpack(ARGV,i,last))
  if mortal then redis.call('ZREM',KEYS[3],unpack(ARGV,i,last)) end
  for j=1,last-i+1 do
    r[i+j-1]=there[j] and not (due[j] and tonumber(due[j])<=now) and '1' or '0'
  end
end
@publish(GONE,ARGV,1,1)
return table.concat(r)`)

// scriptApply carries out a batch. ARGV: limit of keys (0: none), then for each operation
// a word with its kind (a digit, or a character after the digits) and, unless all of it
// is 0, its flags (+ if the old value is wanted, ! if it must be applied, ? for both, - for
// neither) and its ttl; its key; where it has them, its payload and the old one. On the
// server each word costs about as much as an operation. It returns three things for each: 1
// if it was applied, the old payload, the new one.
//
// What becomes of every key is planned first. Ints are added in two parts of nine
// digits each, because Lua's numbers are floats. The kinds are those of
// extlibs.OpKind.
var scriptApply = newScript("apply", 3, mayWrite+publishAll+`
local V,I,D=KEYS[1],KEYS[2],KEYS[3]
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local words={3,3,4,4,2,3,2,3,3,3,3} -- that an operation takes, by its kind
local plan,order,reply,damaged,fetched={},{},{},false,{}
local ops,at={},2 -- each with its kind, place, ttl, and whether the old value is wanted and it must be applied
while ARGV[at] do
  local head=ARGV[at]
  local kind=string.byte(head,1,1)-48
  local ttl,want,must=0,false,false
  if string.len(head)>1 then
    local flag=string.byte(head,2,2)
    want=flag==43 or flag==63
    must=flag==33 or flag==63
    ttl=tonumber(string.sub(head,3))
  end
  ops[#ops+1]=kind
  ops[#ops+1]=at
  ops[#ops+1]=ttl
  ops[#ops+1]=want
  ops[#ops+1]=must
  at=at+words[kind]
end
if #ops>5 then -- all at once
  local names={}
  for i=2,#ops,5 do names[#names+1]=ARGV[ops[i]+1] end
  for i=1,#names,4000 do
    local last=math.min(i+3999,#names)
    local found=redis.call('HMGET',V,unpack(names,i,last))
    for j=1,#found do fetched[names[i+j-1]]=found[j] end
  end
end
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
  if string.len(a)<=15 and string.len(b)<=15 then return string.format('%.0f',a+b) end -- exact
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
  if b>=64 or b==34 or b==38 then return true end
  if b==35 then return float(p)~=nil end
  return string.len(p)<=20 and string.find(p,'^-?%d+$') and add(p,'0')==p
end
local function state(k)
  local s=plan[k]
  if s then return s end
  s={}
  local o=fetched[k]
  if o==nil then o=redis.call('HGET',V,k) end
  if o then
    s.stored=true
    local kind=string.byte(o,1,1)
    if kind==38 then -- the mark of a large value, whose deadline is in D
      s.was=redis.call('ZSCORE',D,k)
      s.was=s.was and tonumber(s.was)
      if not s.was or s.was>now then s.p=o s.d=s.was end
    elseif kind==33 then
      local e=string.find(o,'!',2,true)
      s.was=e and tonumber(string.sub(o,2,e-1))
      if not s.was then damaged=true s.p='0'
      elseif s.was>now then s.p=string.sub(o,e+1) s.d=s.was end
    else s.p=o end
    if s.p and not valid(s.p) then damaged=true end
    s.live=s.p~=nil
    s.kept=s.p
  end
  plan[k]=s
  order[#order+1]=k
  return s
end
for i=1,#ops,5 do
  local kind,place,ttl=ops[i],ops[i+1],ops[i+2]
  local k,p,old=ARGV[place+1],ARGV[place+2],ARGV[place+3]
  if kind==6 or kind==10 then old=p end
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
  elseif kind==11 then put(true)
  elseif kind==10 then if (cur or '')==old then applied=1 end
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
  if ops[i+4] and applied==0 then return redis.error_reply(damaged and 'KVDATA' or 'KVCONFLICT') end
  reply[#reply+1]=applied
  reply[#reply+1]=ops[i+3] and cur or ''
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
  if n>0 and redis.call('HLEN',V)-1-redis.call('ZCOUNT',D,'-inf',now)+n>limit then return redis.error_reply('KVFULL') end
end
local put,new,gone,due,undue={},{},{},{},{}
local function push(to,a,b) to[#to+1]=a if b then to[#to+1]=b end end
for _,k in ipairs(order) do
  local s=plan[k]
  if s.changed then
    if s.p then
      local d=s.d and string.format('%.0f',s.d)
      if not (s.p==s.kept and string.byte(s.p,1,1)==38) then push(put,k,d and string.byte(s.p,1,1)~=38 and '!'..d..'!'..s.p or s.p) end
      if not s.stored then push(new,'0',k) end
      if d then push(due,d,k) elseif s.was then push(undue,k) end
    elseif s.stored then
      push(gone,k)
      if s.was then push(undue,k) end
    end
  end
end
local function flush(command,key,list)
  for i=1,#list,4000 do redis.call(command,key,unpack(list,i,math.min(i+3999,#list))) end
end
flush('HSET',V,put)
flush('ZADD',I,new)
flush('HDEL',V,gone)
flush('ZREM',I,gone)
flush('ZADD',D,due)
flush('ZREM',D,undue)
@local live,removed={},{}
@for _,k in ipairs(order) do if plan[k].changed then push(plan[k].p and live or removed,k) end end
@publish(LIVE,live,1,1)
@publish(GONE,removed,1,1)
return reply`)
