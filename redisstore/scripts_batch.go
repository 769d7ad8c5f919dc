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
local call,byte,unpack=redis.call,string.byte,unpack
local ttl,d,head=tonumber(ARGV[1]),nil,nil
if ttl>0 then
  local t=call('TIME')
  d=string.format('%.0f',t[1]*1000000+t[2]+ttl)
  head='!'..d..'!'
end
local mortals=d or call('ZCARD',KEYS[3])>1
local put,names,dues={},{},{}
for i=2,#ARGV,2000 do
  local last=math.min(i+1999,#ARGV)
  local size=last-i+1
  local new
  if d then
    for j=1,size,2 do
      local p=ARGV[i+j]
      put[j]=ARGV[i+j-1]
      put[j+1]=byte(p,1)==38 and p or head..p
    end
    new=call('HSET',KEYS[1],unpack(put,1,size))
    for j=1,size,2 do dues[j]=d dues[j+1]=put[j] end
    call('ZADD',KEYS[3],unpack(dues,1,size))
  else
    new=call('HSET',KEYS[1],unpack(ARGV,i,last))
    if mortals then
      for j=1,size,2 do put[(j+1)/2]=ARGV[i+j-1] end
      call('ZREM',KEYS[3],unpack(put,1,size/2))
    end
  end
  if new>0 then
    for j=1,size,2 do names[j]='0' names[j+1]=ARGV[i+j-1] end
    call('ZADD',KEYS[2],unpack(names,1,size))
  end
end
@publish(LIVE,ARGV,2,2)
return 1`)

// scriptLoad: most bytes of payloads, then keys. It returns now, then for each key
// false or its payload. Only what is longer than 65,536 bytes has the mark of a large value.
var scriptLoad = newScript("get_many", 3, large+`
local call,unpack=redis.call,unpack
local t=call('TIME')
local r={string.format('%.0f',t[1]*1000000+t[2])}
local size,limit=0,tonumber(ARGV[1])
for i=2,#ARGV,1000 do
  local p=call('HMGET',KEYS[1],unpack(ARGV,i,math.min(i+999,#ARGV)))
  for j=1,#p do
    local v=p[j]
    if v then
      local n=#v
      if n>65536 and string.byte(v,1)==38 then
        v=withDeadline(KEYS[3],ARGV[i+j-1],v)
        n=#v
      end
      size=size+n
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
// live, else a 0. It asks for single keys only where HDEL does not tell of all at once.
var scriptDeleteMany = newScript("delete_many", 3, mayWrite+publishAll+`
local call,unpack,rep=redis.call,unpack,string.rep
local r={}
local mortal,expired=call('ZCARD',KEYS[3])>1,false
local now
if mortal then
  local t=call('TIME')
  now=t[1]*1000000+t[2]
  expired=call('ZCOUNT',KEYS[3],'-inf',now)>0
end
for i=1,#ARGV,4000 do
  local last=math.min(i+3999,#ARGV)
  local size=last-i+1
  local due=expired and call('ZMSCORE',KEYS[3],unpack(ARGV,i,last))
  local gone=call('HDEL',KEYS[1],unpack(ARGV,i,last))
  if gone==0 then r[#r+1]=rep('0',size)
  else
    if gone==size and not due then r[#r+1]=rep('1',size)
    else
      local there=call('ZMSCORE',KEYS[2],unpack(ARGV,i,last))
      local live={}
      for j=1,size do live[j]=there[j] and not (due and due[j] and tonumber(due[j])<=now) and '1' or '0' end
      r[#r+1]=table.concat(live)
    end
    call('ZREM',KEYS[2],unpack(ARGV,i,last))
    if mortal then call('ZREM',KEYS[3],unpack(ARGV,i,last)) end
  end
end
@publish(GONE,ARGV,1,1)
return table.concat(r)`)

// scriptApply carries out a batch. ARGV: limit of keys (0: none), number of operations, what
// they are, which have the key of an earlier one; then the key of each operation; then of
// each, where it has them, its payload and the old one. On the server each word costs about
// as much as an operation, so what they are is one word: for each run of like operations their
// kind (a digit, or a character after the digits), their flags (+ if the old value is wanted,
// ! if it must be applied, ? for both, - for neither), their ttl, and how many follow each other.
// It returns three lists: the operations that were not applied, the old payloads that
// were wanted, the sums.
//
// The script first plans the outcome of every key. The tables of the plan have the place of the
// first operation on a key. Ints are added in two parts of nine digits each if they
// are long, because Lua's numbers are floats. The kinds are those of extlibs.OpKind.
var scriptApply = newScript("apply", 3, mayWrite+publishAll+`
local V,I,D=KEYS[1],KEYS[2],KEYS[3]
local call,byte,sub,find,format,tonumber,unpack=redis.call,string.byte,string.sub,string.find,string.format,tonumber,unpack
local t=call('TIME')
local now=t[1]*1000000+t[2]
local n=tonumber(ARGV[2])
local same={}
if ARGV[4]~='' then
  for i,first in string.gmatch(ARGV[4],'(%d+):(%d+);') do same[tonumber(i)]=tonumber(first) end
end
local function float(p)
  if byte(p,1)==251 then return 0/0 end -- a NaN with other bits
  if byte(p,1)==35 then p=sub(p,2) end
  if p=='nan' then return 0/0 elseif p=='inf' then return 1/0 elseif p=='-inf' then return -1/0 end
  return tonumber(p)
end
local function text(f)
  if f~=f then return '#nan' elseif f==1/0 then return '#inf' elseif f==-1/0 then return '#-inf' end
  return '#'..format('%.17g',f)
end
local function parts(p)
  local sign=1
  if byte(p,1)==45 then sign=-1 p=sub(p,2) end
  return sign*tonumber('0'..sub(p,1,-10)),sign*tonumber(sub(p,-9))
end
local function add(a,b)
  if #a<=15 and #b<=15 then return format('%.0f',a+b) end -- exact
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
  if h==0 then return sign..format('%.0f',l) end
  return sign..format('%.0f%09.0f',h,l)
end
local function valid(p,b) -- as far as a script may tell
  if b==35 then return float(p)~=nil end
  if #p>20 then return false end
  return p=='0' or find(p,'^-?[1-9]%d*$') and (#p<=18 or add(p,'0')==p)
end
local cur,kept,due,was,changed={},{},{},{},{} -- payloads now and before, or false; deadlines, if any
local damaged
for i=1,n,4000 do
  local last=math.min(i+3999,n)
  local found=call('HMGET',V,unpack(ARGV,i+4,last+4))
  for j=1,last-i+1 do
    local s,p=i+j-1,found[j]
    if p then
      local b=byte(p,1) or 0
      if b==38 then -- the mark of a large value, whose deadline is in D
        local d=call('ZSCORE',D,ARGV[s+4])
        d=d and tonumber(d) or nil
        was[s]=d
        if d and d<=now then p=false else due[s]=d end
      elseif b==33 then
        local e=find(p,'!',2,true)
        local d=e and tonumber(sub(p,2,e-1))
        if not d then damaged=damaged or s p='0' b=48
        else
          was[s]=d
          if d>now then
            p=sub(p,e+1)
            b=byte(p,1) or 0
            due[s]=d
          else p=false end
        end
      end
      if p and not (b>=64 or b==34 or b==38) and not valid(p,b) then damaged=damaged or s end
    end
    cur[s]=p
    kept[s]=p
  end
end
local at,i=n+5,0
local unapplied,olds,sums={},{},{}
local asked,summed=0,0
for kind,flag,ttl,count in string.gmatch(ARGV[3],'(.)(.)(%d+)%*(%d+);') do
  kind=byte(kind,1)-48
  ttl=tonumber(ttl)
  local want,must=flag=='+' or flag=='?',flag=='!' or flag=='?'
  local deadline=ttl>0 and now+ttl or nil
  for _=1,tonumber(count) do
    i=i+1
    local s=same[i] or i
    local c=cur[s]
    local applied,new,keep=false,nil,false
    if kind==8 or kind==9 then
      local p=ARGV[at]
      at=at+1
      if not c then new=p
      else
        local b=byte(c,1) or 0
        local f=b==35 or b==251
        if not f and b~=45 and (b<48 or b>57) then return redis.error_reply('KVTYPE') end
        if damaged and damaged<=i then return redis.error_reply('KVDATA') end
        if f and kind==9 then return redis.error_reply('KVFLOAT') end
        local b2=byte(p,1)
        if f or b2==35 or b2==251 then new=text(float(c)+float(p))
        else
          new=add(c,p)
          if not new then return redis.error_reply('KVOVERFLOW') end
        end
        keep=true
      end
      summed=summed+1
      sums[summed]=new
    elseif kind==1 then new=ARGV[at] at=at+1
    elseif kind==3 or kind==4 then
      if (c or '')==ARGV[at+1] then new=ARGV[at] keep=kind==3 end
      at=at+2
    elseif kind==2 then
      if not c then new=ARGV[at] end
      at=at+1
    elseif kind==10 then
      applied=(c or '')==ARGV[at]
      at=at+1
    elseif kind==11 then new=ARGV[at] keep=true at=at+1
    elseif kind==7 then
      if c then applied=true changed[s]=true due[s]=deadline end
    elseif kind==5 then applied=c and true
    else
      applied=c and c==ARGV[at]
      at=at+1
    end
    if new then
      applied=true
      changed[s]=true
      cur[s]=new
      if not (keep and c) then due[s]=deadline end
    elseif applied and (kind==5 or kind==6) then
      changed[s]=true
      cur[s]=false
      due[s]=nil
    end
    if not applied then
      if must then return redis.error_reply(damaged and damaged<=i and 'KVDATA' or 'KVCONFLICT') end
      unapplied[#unapplied+1]=i
    end
    if want then
      asked=asked+1
      olds[asked]=c or ''
    end
  end
end
if damaged then return redis.error_reply('KVDATA') end
local limit=tonumber(ARGV[1])
if limit>0 then
  local more=0
  for s=1,n do
    if changed[s] then
      if cur[s] then
        if not kept[s] then more=more+1 end
      elseif kept[s] then more=more-1 end
    end
  end
  if more>0 and call('HLEN',V)-1-call('ZCOUNT',D,'-inf',now)+more>limit then return redis.error_reply('KVFULL') end
end
-- A key that has a payload or had a deadline is stored.
local put,new,gone,dues,undue={},{},{},{},{}
local a,b,c,d,e=0,0,0,0,0
local function flush(most)
  if a>most then call('HSET',V,unpack(put,1,a)) a=0 end
  if b>most then call('ZADD',I,unpack(new,1,b)) b=0 end
  if c>most then call('HDEL',V,unpack(gone,1,c)) call('ZREM',I,unpack(gone,1,c)) c=0 end
  if d>most then call('ZADD',D,unpack(dues,1,d)) d=0 end
  if e>most then call('ZREM',D,unpack(undue,1,e)) e=0 end
end
local at,words -- the last deadline, as a word
for s=1,n do
  if changed[s] then
    local k,p=ARGV[s+4],cur[s]
    if p then
      local large=byte(p,1)==38
      local expires=due[s]
      if expires then
        if expires~=at then at=expires words=format('%.0f',expires) end
        dues[d+1]=words
        dues[d+2]=k
        d=d+2
      elseif was[s] then e=e+1 undue[e]=k end
      if not large or p~=kept[s] then
        put[a+1]=k
        put[a+2]=expires and not large and '!'..words..'!'..p or p
        a=a+2
      end
      if not kept[s] and not was[s] then
        new[b+1]='0'
        new[b+2]=k
        b=b+2
      end
    elseif kept[s] or was[s] then
      c=c+1
      gone[c]=k
      if was[s] then e=e+1 undue[e]=k end
    end
  end
  if s%1000==0 then flush(3000) end
end
flush(0)
@if n>10000 then redis.pcall('SPUBLISH',LIVE,'')
@else
@  local live,removed={},{}
@  for s=1,n do
@    if changed[s] then
@      local to=cur[s] and live or removed
@      to[#to+1]=ARGV[s+4]
@    end
@  end
@  publish(LIVE,live,1,1)
@  publish(GONE,removed,1,1)
@end
return {unapplied,olds,sums}`)
