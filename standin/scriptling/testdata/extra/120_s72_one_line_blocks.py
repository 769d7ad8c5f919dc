# section 7.2: exactly one statement belongs to a one-line block
if False: print("no"); print("outside if")
while False: print("no"); print("outside while")
for i in range(2): print(i); print("outside for")
def f(): return 1; print("outside def")
class C: pass; print("outside class")
if False: print(1)
elif True: print("elif")
else: print(2)
i = 0
while i < 2: i += 1
else: print("else", i)
try: x = 1 / 0
except ZeroDivisionError as e: print(e)
finally: print("finally")
