import asyncio


async def handle(reader, writer):
    peer = writer.get_extra_info('peername')
    print(f'{peer!r} connected')
    data = await reader.readline()
    print(f'{peer!r} sent {data!r}')
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(handle, '0.0.0.0', 11200)
    async with server:
        await server.serve_forever()


asyncio.run(main())
