"""A closed loop refuses work (R-11)."""

from virtual_clock import VirtualLoop, refused, say

loop = VirtualLoop()


def tries_to_close():
    say(f"close while it runs: {refused(loop.close)}")
    loop.stop()


loop.call_soon(tries_to_close)
loop.run_forever()
loop.call_soon(say, "never printed")
loop.call_later(1, say, "never printed")
loop.close()
say(f"call_soon: {refused(loop.call_soon, say, 'never printed')}")
say(f"call_later: {refused(loop.call_later, 1, say, 'never printed')}")
say(f"call_soon_threadsafe: {refused(loop.call_soon_threadsafe, say, 'never printed')}")
say(f"run_forever: {refused(loop.run_forever)}")
