"""A future is set once, by a result, an error or a cancel (F-01, F-02, F-05)."""

import asyncio

from virtual_clock import Failure, outcome_of, refused, run, say


def describe(name, future):
    say(f"{name}: done {future.done()}, cancelled {future.cancelled()}, {outcome_of(future)}")


async def main():
    loop = asyncio.get_running_loop()
    result = loop.create_future()
    error = loop.create_future()
    cancelled = loop.create_future()
    describe("pending", result)

    result.set_result(1)
    error.set_exception(Failure(5))
    cancelled.cancel()
    describe("result", result)
    describe("error", error)
    describe("cancelled", cancelled)

    say(f"a second result: {refused(result.set_result, 2)}")
    say(f"an error after a result: {refused(result.set_exception, Failure(6))}")
    say(f"a result after an error: {refused(error.set_result, 3)}")
    say(f"a result after a cancel: {refused(cancelled.set_result, 4)}")
    say(f"a cancel after a result: {result.cancel()}")
    say(f"a second cancel: {cancelled.cancel()}")
    describe("result", result)
    describe("error", error)
    describe("cancelled", cancelled)


run(main())
