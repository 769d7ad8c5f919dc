# the dialect of patterns
for k in ["user:1", "user:2", "user:10", "session:a/b", "a*b", "a?b", "a[b", "a\\b", "x", "{y}", "tab\there"]:
    store.set(k, 0)
for p in ["*", "user:*", "user:?", "user:??", "*:1", "*er:*", "session:*", "*/b", "[ux]*", "[!u]*", "[a-t]*", "{user:1,x}", "{user,session}:*", "a\\*b", "a\\?b", "a\\[b", "a\\\\b", "\\{y\\}", "", "nope", "user:{1,10}", "{u,s}*{1,b}", "?"]:
    print(p, store.keys(p))
