"""write_eof() ends one direction; the other one goes on for as long as it likes (ST-14)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def answers_late(reader, writer):
    question = await reader.read()
    say(f"the question: {quoted(question)}, at the end {reader.at_eof()}")
    for word in question.split():
        await asyncio.sleep(1)
        writer.write(word + b"!")
        await writer.drain()
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(answers_late, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        say(f"can write_eof {writer.can_write_eof()}")
        writer.write(b"is anybody ")
        await asyncio.sleep(1)
        writer.write(b"there")
        writer.write_eof()
        writer.write_eof()
        say("the question is asked, and ended twice")
        try:
            writer.write(b"?")
            say("a write behind the end: allowed")
        except RuntimeError:
            say("a write behind the end: refused")
        say(f"closing {writer.is_closing()}")
        say(f"the answer: {quoted(await reader.read())}")
        await hang_up(writer)


run(main())
