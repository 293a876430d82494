"""A server that speaks Redis's protocol, for machines where no Redis can be had; it keeps everything in memory."""

from fakeredis import TcpFakeServer

from tests.services.servers import HOST


def serve(port: int) -> None:
    """Serve until the process is ended."""
    with TcpFakeServer((HOST, port), server_type="redis") as server:
        server.serve_forever()
