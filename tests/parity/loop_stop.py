"""stop() ends the loop after the turn it is in; what that turn scheduled runs in the next run (R-08, R-10)."""

from virtual_clock import VirtualLoop, say

loop = VirtualLoop()


def first():
    say("first")
    loop.call_soon(say, "first's child")
    loop.stop()


loop.call_soon(first)
loop.call_soon(say, "second")
say("run 1")
loop.run_forever()

say("run 2: stopped before it starts, so it makes one turn")
loop.stop()
loop.run_forever()

say("run 3: nothing is ready, and one turn does not wait for a timer")
loop.call_later(0.5, say, "timer")
loop.stop()
loop.run_forever()

say("run 4: a timer stops it")
loop.call_later(1, loop.stop)
loop.call_later(2, say, "never printed")
loop.run_forever()
say(f"running {loop.is_running()}, closed {loop.is_closed()}")
loop.close()
loop.close()
say(f"running {loop.is_running()}, closed {loop.is_closed()}")
