"""Results in the order in which they become ready, not in the order in which the work was started."""

import asyncio


async def phase(number):
    print(f"in phase {number}")
    await asyncio.sleep(0.5 - 0.1 * number)
    print(f"done with phase {number}")
    return f"phase {number} result"


async def main(count):
    print("starting main")
    phases = [asyncio.create_task(phase(number)) for number in range(count)]
    print("waiting for phases to complete")
    results = []
    for next_to_complete in asyncio.as_completed(phases):
        answer = await next_to_complete
        print(f"received answer {answer!r}")
        results.append(answer)
    print(f"results: {results!r}")


loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(main(3))
finally:
    loop.close()
