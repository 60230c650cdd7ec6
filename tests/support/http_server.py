"""The HTTP server of what tests stand in for."""

from http.server import ThreadingHTTPServer


class HttpServer(ThreadingHTTPServer):
    """Has room for what connects at the same time: the library's five places reset connections on a busy machine."""

    request_queue_size = 128
