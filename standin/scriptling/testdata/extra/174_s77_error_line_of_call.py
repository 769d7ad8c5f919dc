# section 2.2: a call spread over lines reports its first line
l = []
l.append(
    1,
    2,
)
