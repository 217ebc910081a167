"""A user's program: a pool of workers that try each job again, with a growing pause, until they give it up."""

import asyncio

from virtual_clock import Failure, run, say

MOST_TRIES = 4


class Job:
    def __init__(self, number, seconds, failures):
        self.number = number
        self.seconds = seconds
        self.failures = failures
        self.tries = 0


async def attempt(job):
    job.tries += 1
    await asyncio.sleep(job.seconds)
    if job.tries <= job.failures:
        raise Failure(job.number)
    return job.number * 100


async def process(name, job):
    pause = 0.1
    while True:
        try:
            result = await asyncio.wait_for(attempt(job), 1)
            say(f"{name}: job {job.number} gives {result} at try {job.tries}")
            return result
        except Failure as error:
            say(f"{name}: job {job.number} fails with {error.code} at try {job.tries}")
        except TimeoutError:
            say(f"{name}: job {job.number} takes too long at try {job.tries}")
        if job.tries == MOST_TRIES:
            say(f"{name}: job {job.number} is given up")
            return -1
        await asyncio.sleep(pause)
        pause *= 2


async def worker(name, jobs, results):
    while True:
        job = await jobs.get()
        results[job.number] = await process(name, job)
        jobs.task_done()


async def main():
    jobs = asyncio.Queue()
    results = [0] * 6
    for job in (Job(0, 0.25, 0), Job(1, 0.13, 2), Job(2, 0.37, 9), Job(3, 5, 0), Job(4, 0.41, 1), Job(5, 0.07, 3)):
        jobs.put_nowait(job)
    workers = [asyncio.create_task(worker(name, jobs, results)) for name in ("able", "baker", "charlie")]
    await jobs.join()
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    say("results: " + " ".join(str(result) for result in results))


run(main())
