"""Client side of the application tests: idle connections and verified HTTP load.

Everything here runs natively, in plain threads, and knows nothing of greenshim.  A reply that
differs from what was expected by one byte is an error; nothing is retried silently.
"""

import hashlib
import os
import select
import socket
import ssl
import struct
import threading
import time

HOST = '127.0.0.1'
PATIENCE = 30.0         # seconds one blocking socket call may take; a hang guard, never a measure


def free_port():
    """A TCP port on the loopback address that nobody used a moment ago."""
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def wait_port(port, alive, seconds=30.0):
    """Waits until something accepts connections on port; False if alive() ends or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), timeout=2).close()
            return True
        except OSError:
            if not alive():
                return False
            time.sleep(0.02)
    return False


def read_exactly(sock, n):
    parts = []
    while n > 0:
        part = sock.recv(min(n, 1 << 16))
        if not part:
            raise EOFError('connection closed with %d bytes missing' % n)
        parts.append(part)
        n -= len(part)
    return b''.join(parts)


class Proxy:
    """How a connection reaches its target: kind is 'socks5', 'connect' or 'absolute'."""

    def __init__(self, kind, port):
        self.kind = kind
        self.port = port

    def open(self, target_port, by_name=False):
        sock = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        try:
            if self.kind == 'socks5':
                self._socks5(sock, target_port, by_name)
            elif self.kind == 'connect':
                self._connect(sock, target_port)
        except Exception:
            sock.close()
            raise
        return sock

    @staticmethod
    def _socks5(sock, port, by_name):
        sock.sendall(b'\x05\x01\x00')
        if read_exactly(sock, 2) != b'\x05\x00':
            raise OSError('socks5: method refused')
        if by_name:
            name = b'localhost'
            address = b'\x03' + bytes([len(name)]) + name
        else:
            address = b'\x01' + socket.inet_aton(HOST)
        sock.sendall(b'\x05\x01\x00' + address + struct.pack('>H', port))
        reply = read_exactly(sock, 4)
        if reply[1] != 0:
            raise OSError('socks5: connect refused with code %d' % reply[1])
        size = {1: 4, 4: 16}.get(reply[3])
        if size is None:
            size = read_exactly(sock, 1)[0]
        read_exactly(sock, size + 2)

    @staticmethod
    def _connect(sock, port):
        sock.sendall(b'CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n'
                     % (HOST.encode(), port, HOST.encode(), port))
        head = b''
        while b'\r\n\r\n' not in head:
            part = sock.recv(1)
            if not part:
                raise EOFError('proxy closed during CONNECT')
            head += part
        if head.split(b' ', 2)[1] != b'200':
            raise OSError('CONNECT refused: %r' % head.split(b'\r\n')[0])


class HttpClient:
    """One HTTP/1.1 connection at a time, opened again when the server closes it."""

    def __init__(self, port, proxy=None, tls=False, by_name=False):
        self.port = port
        self.proxy = proxy
        self.tls = tls
        self.by_name = by_name
        self.sock = None
        self.buffer = b''
        self.opened = 0

    def open(self):
        if self.proxy:
            sock = self.proxy.open(self.port, self.by_name)
        else:
            sock = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            sock = context.wrap_socket(sock, server_hostname='localhost')
        self.sock = sock
        self.buffer = b''
        self.opened += 1

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def get(self, path, close=False):
        """Returns (status, body) of one GET."""
        if not self.sock:
            self.open()
        target = path
        if self.proxy and self.proxy.kind == 'absolute':
            target = 'http://%s:%d%s' % (HOST, self.port, path)
        self.sock.sendall(('GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: %s\r\n\r\n' % (
            target, HOST, self.port, 'close' if close else 'keep-alive')).encode())
        status, body = self._reply()
        if close:
            self.close()
        return status, body

    def _more(self):
        part = self.sock.recv(1 << 16)
        if not part:
            raise EOFError('connection closed in the middle of a reply')
        self.buffer += part

    def _reply(self):
        while b'\r\n\r\n' not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b'\r\n\r\n', 1)
        lines = head.decode('latin-1').split('\r\n')
        version, status = lines[0].split(' ', 2)[:2]
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            fields[name.strip().lower()] = value.strip()
        if 'content-length' in fields:
            size = int(fields['content-length'])
            while len(self.buffer) < size:
                self._more()
            body, self.buffer = self.buffer[:size], self.buffer[size:]
            last = fields.get('connection', '').lower() == 'close'
            if version == 'HTTP/1.0' and fields.get('connection', '').lower() != 'keep-alive':
                last = True
        else:
            body, last = self._until_close(), True
        if last:
            self.close()
        return int(status), body

    def _until_close(self):
        while True:
            try:
                self._more()
            except EOFError:
                body, self.buffer = self.buffer, b''
                return body


class Load:
    """What a load run saw; str() is the same for two runs with the same answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.replies = 0
        self.bytes = 0
        self.errors = []
        self.digests = set()
        self.connections = 0
        self.seconds = 0.0

    def merge(self, other):
        with self.lock:
            self.replies += other.replies
            self.bytes += other.bytes
            self.errors += other.errors
            self.digests |= other.digests
            self.connections += other.connections

    def __str__(self):
        total = hashlib.sha256('\n'.join(sorted(self.digests)).encode()).hexdigest()[:16]
        return 'replies=%d bytes=%d bodies=%s' % (self.replies, self.bytes, total)


def start(thread, seconds=30.0):
    """Starts a thread; others may hold all the threads the machine allows for a moment."""
    end = time.monotonic() + seconds
    while True:
        try:
            thread.start()
            return
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def in_threads(count, body):
    """Runs body(i) in count threads; the first exception is raised again here."""
    failures = []

    def call(i):
        try:
            body(i)
        except Exception as e:      # reported to the caller below
            failures.append(e)

    threads = [threading.Thread(target=call, args=(i,), daemon=True) for i in range(count)]
    for t in threads:
        start(t)
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def http_load(port, expected, workers=16, requests=100, proxy=None, tls=False, close=False,
              by_name=False):
    """GETs by several clients at once; expected maps each path to its body.

    Every body is verified; raises OSError when one reply was wrong or did not come.
    """
    load = Load()
    paths = sorted(expected)
    digests = {p: hashlib.sha256(b).hexdigest() for p, b in expected.items()}

    def client(number):
        seen = Load()
        http = HttpClient(port, proxy, tls, by_name)
        for i in range(requests):
            path = paths[(number + i) % len(paths)]
            try:
                status, body = http.get(path, close)
            except (OSError, EOFError, ValueError) as e:
                seen.errors.append('%s: %s' % (path, e or type(e).__name__))
                http.close()
                if len(seen.errors) > 5:
                    break
                continue
            digest = hashlib.sha256(body).hexdigest()
            if status != 200 or digest != digests[path]:
                seen.errors.append('%s: status %d, %d bytes, wrong body' % (
                    path, status, len(body)))
            seen.replies += 1
            seen.bytes += len(body)
            seen.digests.add(path + ' ' + digest)
        http.close()
        seen.connections = http.opened
        load.merge(seen)

    start = time.monotonic()
    in_threads(workers, client)
    load.seconds = time.monotonic() - start
    if load.errors:
        raise OSError('%d of %d replies wrong, first: %s' % (
            len(load.errors), workers * requests, load.errors[0]))
    return load


class Idle:
    """Holds open connections that do nothing; connect() opens one."""

    def __init__(self, count, connect):
        self.socks = []
        try:
            for _ in range(count):
                self.socks.append(connect())
        except Exception:
            self.close()
            raise

    def alive(self):
        """How many the server has not closed."""
        poll = select.poll()
        for sock in self.socks:
            poll.register(sock, select.POLLRDHUP)
        return len(self.socks) - len(poll.poll(0))

    def close(self):
        for sock in self.socks:
            sock.close()
        self.socks = []


def raise_file_limit():
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def make_file(path, size, seed):
    """Fills a file with bytes that depend on seed only."""
    block = hashlib.shake_256(str(seed).encode()).digest(size)
    with open(path, 'wb') as f:
        f.write(block)
    os.chmod(path, 0o644)
    return block
