"""A user's program: publish and subscribe. Each subscriber has a bounded queue; who is too slow loses messages."""

import asyncio

from virtual_clock import run, say

END = -1


class Subscriber:
    def __init__(self, name, room):
        self.name = name
        self.queue = asyncio.Queue(room)
        self.lost = 0


class Topic:
    def __init__(self):
        self.subscribers = []

    def publish(self, message):
        for subscriber in self.subscribers:
            try:
                subscriber.queue.put_nowait(message)
            except asyncio.QueueFull:
                subscriber.lost += 1
                say(f"{subscriber.name} loses {message}")

    async def close(self):
        for subscriber in self.subscribers:
            await subscriber.queue.put(END)


async def reads(subscriber, pause, most):
    received = 0
    while received < most:
        message = await subscriber.queue.get()
        if message == END:
            break
        received += 1
        say(f"{subscriber.name} receives {message}")
        await asyncio.sleep(pause)
    say(f"{subscriber.name} is done: {received} received, {subscriber.lost} lost")
    return received


async def main():
    topic = Topic()
    quick = Subscriber("quick", 4)
    slow = Subscriber("slow", 2)
    brief = Subscriber("brief", 4)
    async with asyncio.TaskGroup() as group:
        topic.subscribers = [quick, slow]
        tasks = [group.create_task(reads(quick, 0.01, 100)), group.create_task(reads(slow, 0.36, 100))]
        for message in range(8):
            if message == 3:
                topic.subscribers.append(brief)
                tasks.append(group.create_task(reads(brief, 0.02, 2)))
            if message == 6:
                topic.subscribers.remove(brief)
            topic.publish(message)
            await asyncio.sleep(0.1)
        say("the publisher closes the topic")
        await topic.close()
    say(f"received {sum(task.result() for task in tasks)}")


run(main())
