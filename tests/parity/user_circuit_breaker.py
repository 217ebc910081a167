"""A user's program: a circuit breaker. After three failures it refuses calls for 1.9 s, then lets one call try."""

import asyncio

from virtual_clock import Failure, name_of, run, say

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half open"
REFUSED = 111


class Breaker:
    def __init__(self, most_failures, rest):
        self.most_failures = most_failures
        self.rest = rest
        self.state = CLOSED
        self.failures = 0
        self.opened_at = 0

    def change(self, state):
        say(f"the breaker is {state}")
        self.state = state

    async def call(self, service, request):
        loop = asyncio.get_running_loop()
        if self.state == OPEN and loop.time() >= self.opened_at + self.rest:
            self.change(HALF_OPEN)
        elif self.state != CLOSED:
            raise Failure(REFUSED)
        try:
            result = await asyncio.wait_for(service.handle(request), 0.25)
        except (Failure, TimeoutError):
            self.failures += 1
            if self.state == HALF_OPEN or self.failures == self.most_failures:
                self.opened_at = loop.time()
                self.change(OPEN)
            raise
        self.failures = 0
        if self.state == HALF_OPEN:
            self.change(CLOSED)
        return result


class Service:
    def __init__(self):
        self.delay = 0.1
        self.down = False
        self.handled = 0

    async def handle(self, request):
        self.handled += 1
        await asyncio.sleep(self.delay)
        if self.down:
            raise Failure(5)
        return request * 2


async def client(breaker, service):
    for request in range(16):
        try:
            say(f"request {request}: {await breaker.call(service, request)}")
        except (Failure, TimeoutError) as error:
            say(f"request {request}: {name_of(error)}")
        await asyncio.sleep(0.4)


async def weather(service):
    await asyncio.sleep(1)
    say("the service is down")
    service.down = True
    await asyncio.sleep(1.2)
    say("the service hangs")
    service.delay = 100
    await asyncio.sleep(2.5)
    say("the service is well")
    service.delay = 0.1
    service.down = False


async def main():
    service = Service()
    breaker = Breaker(3, 1.9)
    async with asyncio.TaskGroup() as group:
        group.create_task(client(breaker, service))
        group.create_task(weather(service))
    say(f"the service has handled {service.handled} requests")


run(main())
