package redisstore

import (
	"context"
	"strconv"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// scriptPopFirst: lower and upper limit as ZRANGEBYLEX wants them, most bytes of a payload,
// and any fourth argument for descending order. It removes the first live key and returns
// now, the key and its payload; false if there is none; 1 if the payload is larger, or if
// it has removed many keys that had expired and there can be more.
var scriptPopFirst = newScript("pop_first", 3, large+`
local V,I,D=KEYS[1],KEYS[2],KEYS[3]
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local function remove(k,d)
  redis.call('HDEL',V,k)
  redis.call('ZREM',I,k)
  if d then redis.call('ZREM',D,k) end
end
for i=1,200 do
  local found
  if ARGV[4] then found=redis.call('ZRANGE',I,ARGV[2],ARGV[1],'BYLEX','REV','LIMIT','0','1')
  else found=redis.call('ZRANGEBYLEX',I,ARGV[1],ARGV[2],'LIMIT','0','1') end
  local k=found[1]
  if not k then
    if redis.call('HLEN',V)~=redis.call('ZCARD',I) then return redis.error_reply('KVLOST') end
    return false
  end
  local d=redis.call('ZSCORE',D,k)
  if d and tonumber(d)<=now then
    remove(k,d)
@    redis.pcall('SPUBLISH',GONE,k)
  elseif redis.call('HSTRLEN',V,k)>tonumber(ARGV[3]) then return 1
  else
    local p=redis.call('HGET',V,k)
    if not p then return redis.error_reply('KVLOST') end
    local b=string.byte(p,1,1) or 0
    if not (b>=64 or b==33 or b==34 or b==35 or b==38 or b==45 or (b>=48 and b<=57)) then return redis.error_reply('KVDATA') end
    if b==38 then p=withDeadline(D,k,p) end
    remove(k,d)
@    redis.pcall('SPUBLISH',GONE,k)
    return {string.format('%.0f',now),k,p}
  end
end
return 1`)

// PopFirst implements extlibs.FirstPopper.
func (s *store) PopFirst(ctx context.Context, r extlibs.Range, maxBytes int) (e extlibs.Entry, done bool, err error) {
	from, to := r.Bounds()
	lower, upper := bounds(from, to)
	args := []string{lower, upper, strconv.Itoa(maxBytes)}
	if r.Reverse {
		args = append(args, "1")
	}
	m, err := s.exec(ctx, writes, scriptPopFirst, args...)
	switch {
	case err != nil:
		return e, false, err
	case m.Kind == wire.Nil:
		return e, false, extlibs.ErrNotFound
	case m.Kind == wire.Int:
		return e, false, nil
	case len(m.List) != 3 || m.List[1].Kind != wire.Text || m.List[2].Kind != wire.Text:
		return e, false, damaged()
	}
	now, ok := m.List[0].Number()
	if !ok {
		return e, false, damaged()
	}
	e, live, err := entry(m.List[1].Text, m.List[2].Text, now)
	if err == nil && !live {
		err = damaged()
	}
	return e, err == nil, err
}
