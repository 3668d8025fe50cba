"""A small threaded HTTP/1.1 file server with a deep listen queue, to stand behind proxies.

usage: backend.py DIRECTORY PORT
"""

import functools
import http.server
import sys
import threading

sys.dont_write_bytecode = True

import lib


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024

    def process_request(self, request, client_address):
        lib.start(threading.Thread(target=self.process_request_thread,
                                   args=(request, client_address), daemon=True))


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = -1       # headers and the first bytes of the body in one write

    def log_message(self, format, *args):
        pass


def main():
    handler = functools.partial(Handler, directory=sys.argv[1])
    Server(('127.0.0.1', int(sys.argv[2])), handler).serve_forever()


main()
