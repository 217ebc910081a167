"""A clean-up may wait; a second cancel interrupts it; cancel() of a done task says no (T-06)."""

import asyncio

from virtual_clock import outcome, run, say


async def worker(name):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"{name} cleans up")
        try:
            await asyncio.sleep(1)
            say(f"{name} has cleaned up")
        except asyncio.CancelledError:
            say(f"{name} is interrupted in its clean-up")
        raise


async def main():
    patient = asyncio.create_task(worker("patient"))
    hurried = asyncio.create_task(worker("hurried"))
    await asyncio.sleep(0.1)
    patient.cancel()
    hurried.cancel()
    await asyncio.sleep(0.5)
    say(f"hurried: cancel {hurried.cancel()}, requests {hurried.cancelling()}")
    say(f"hurried: {await outcome(hurried)}")
    say(f"patient: {await outcome(patient)}")
    say(f"cancel of a done task: {patient.cancel()}, requests {patient.cancelling()}")


run(main())
