"""Asks over HTTP/3: ADDRESS PORT HOST PATH ROOTS. Prints the answer as JSON: status, headers and body."""

import asyncio
import json
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated

address, port, host, path, roots = sys.argv[1:6]


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answer = asyncio.get_running_loop().create_future()
        self.headers = {}
        self.body = b""

    def ask(self):
        stream = self._quic.get_next_available_stream_id()
        request = [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", path)]
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in request], end_stream=True)
        self.transmit()
        return self.answer

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated) and not self.answer.done():
            self.answer.set_exception(ConnectionError(event.reason_phrase))
        for heard in self.http.handle_event(event):
            if isinstance(heard, HeadersReceived):
                self.headers.update({name.decode(): value.decode() for name, value in heard.headers})
            if isinstance(heard, DataReceived):
                self.body += heard.data
            if heard.stream_ended and not self.answer.done():
                self.answer.set_result(None)


async def main():
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name=host)
    configuration.load_verify_locations(roots)
    async with connect(address, int(port), configuration=configuration, create_protocol=Client) as client:
        await asyncio.wait_for(client.ask(), 20)
        status = int(client.headers.pop(":status"))
        print(json.dumps({"status": status, "headers": client.headers, "body": client.body.decode()}))


asyncio.run(main())
