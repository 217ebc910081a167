"""With return_exceptions, gather() waits for all and lists errors and cancellations among the results (C-03, C-04)."""

import asyncio

from virtual_clock import Failure, name_of, run, say


async def works(number, seconds, answer):
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    if answer < 0:
        raise Failure(-answer)
    return answer


async def main():
    tasks = [
        asyncio.create_task(works(0, 0.3, 10)),
        asyncio.create_task(works(1, 0.1, -5)),
        asyncio.create_task(works(2, 10, 12)),
        asyncio.create_task(works(3, 0.2, -7)),
    ]
    asyncio.get_running_loop().call_later(0.15, tasks[2].cancel)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for number, result in enumerate(results):
        say(f"result {number}: {name_of(result) if isinstance(result, BaseException) else result}")


run(main())
