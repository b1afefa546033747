import asyncio

class Chat(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.peer = transport.get_extra_info("peername")
        print("+", *self.peer)

    def data_received(self, data):
        print(self.peer[1], data)
        self.transport.write(b"thanks\r\n")
        self.transport.close()

    def connection_lost(self, exc):
        print("-", *self.peer)

async def run():
    loop = asyncio.get_running_loop()
    srv = await loop.create_server(Chat, None, 11200)
    await srv.serve_forever()

try:
    asyncio.run(run())
except KeyboardInterrupt:
    pass
