"""shield() hands on the result, the error or the cancellation of what it shields (C-15)."""

import asyncio

from virtual_clock import Failure, outcome, run, say


async def works(answer):
    await asyncio.sleep(0.1)
    if answer < 0:
        raise Failure(-answer)
    return answer


async def main():
    say(f"result: {await outcome(asyncio.shield(asyncio.create_task(works(4))))}")
    say(f"error: {await outcome(asyncio.shield(asyncio.create_task(works(-5))))}")

    inner = asyncio.create_task(works(6))
    asyncio.get_running_loop().call_later(0.05, inner.cancel)
    shield = asyncio.shield(inner)
    say(f"inner is cancelled: {await outcome(shield)}, shield cancelled: {shield.cancelled()}")
    say(f"main has {asyncio.current_task().cancelling()} requests")

    inner = asyncio.create_task(works(7))
    await inner
    say(f"inner is done: {await outcome(asyncio.shield(inner))}")

    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.1, future.set_result, 8)
    say(f"a plain future: {await outcome(asyncio.shield(future))}")

    inner = asyncio.create_task(works(9))
    shields = [asyncio.shield(inner), asyncio.shield(inner)]
    shields[0].cancel()
    say(f"two shields of one task: {await outcome(shields[0])}, {await outcome(shields[1])}")


run(main())
