"""threading.local, Queue, Event, Timer, Barrier, Semaphore, TLS over sockets, sqlite3, select.

usage: mix.py CERT KEY
"""

import hashlib
import queue
import select
import signal
import socket
import socketserver
import sqlite3
import ssl
import sys
import tempfile
import threading
import time


def in_threads(count, body):
    threads = [threading.Thread(target=body, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def locals_apart():
    own = threading.local()
    wrong = []

    def body(i):
        own.value = i
        for _ in range(20):
            time.sleep(0.001)
            if own.value != i:
                wrong.append(i)

    in_threads(20, body)
    print('local', wrong, hasattr(own, 'value'))


def queues():
    jobs, done = queue.Queue(5), queue.Queue()

    def body(_):
        while True:
            n = jobs.get()
            if n is None:
                return
            done.put(n * n)
            jobs.task_done()

    workers = [threading.Thread(target=body, args=(i,)) for i in range(6)]
    for w in workers:
        w.start()
    for n in range(300):
        jobs.put(n)
    jobs.join()
    for _ in workers:
        jobs.put(None)
    for w in workers:
        w.join()
    total = sum(done.get() for _ in range(300))
    try:
        done.get(timeout=0.05)
    except queue.Empty:
        print('queue', total, 'empty')


def events():
    seen = []
    event, barrier = threading.Event(), threading.Barrier(5)
    permits = threading.BoundedSemaphore(2)
    inside, most = [0], [0]
    lock = threading.RLock()

    def body(i):
        event.wait()
        barrier.wait()
        with permits:
            with lock, lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.005)
            with lock:
                inside[0] -= 1
        seen.append(i)

    timer = threading.Timer(0.02, event.set)
    timer.start()
    early = event.wait(0.001)
    in_threads(5, body)
    timer.join()
    print('event', early, sorted(seen), most[0] <= 2)


def tls():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(sys.argv[1], sys.argv[2])
    client = ssl.create_default_context(cafile=sys.argv[1])

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            with server.wrap_socket(self.request, server_side=True) as s:
                while True:
                    data = s.recv(4096)
                    if not data:
                        return
                    s.sendall(data)

    class Tcp(socketserver.ThreadingTCPServer):
        request_queue_size = 100
        daemon_threads = True

    hashes = set()
    with Tcp(('127.0.0.1', 0), Echo) as tcp:
        threading.Thread(target=tcp.serve_forever, daemon=True).start()

        def body(i):
            with socket.create_connection(tcp.server_address) as raw:
                with client.wrap_socket(raw, server_hostname='localhost') as s:
                    text = b'%d ' % i * 3000
                    sender = threading.Thread(target=s.sendall, args=(text,))
                    sender.start()
                    back = b''
                    while len(back) < len(text):
                        back += s.recv(5000)
                    sender.join()
                    hashes.add((i, back == text))

        in_threads(12, body)
        tcp.shutdown()
    print('tls', sorted(hashes))


def database():
    with tempfile.NamedTemporaryFile(suffix='.db') as file:
        with sqlite3.connect(file.name) as db:
            db.execute('create table t (who int, n int)')

        def body(i):
            db = sqlite3.connect(file.name, timeout=60, isolation_level='IMMEDIATE')
            for n in range(10):
                with db:
                    db.execute('insert into t values (?, ?)', (i, n))
            db.close()

        in_threads(4, body)
        with sqlite3.connect(file.name) as db:
            print('sqlite', db.execute('select count(*), sum(n), count(distinct who) '
                                       'from t').fetchall())


def waiting():
    a, b = socket.socketpair()
    poll = select.epoll()
    poll.register(b, select.EPOLLIN)
    threading.Timer(0.02, a.send, (b'x',)).start()
    print('select', select.select([b], [], [], 10)[0] == [b], b.recv(1),
          select.select([b], [], [], 0.01))
    threading.Timer(0.02, a.send, (b'y',)).start()
    print('epoll', len(poll.poll(10)), b.recv(1), poll.poll(0.01))
    caught = []
    signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.03)
    time.sleep(0.1)
    print('signal', caught, threading.active_count() >= 1)


def files():
    out = {}

    def body(i):
        with tempfile.TemporaryFile() as f:
            f.write(b'%d' % i * 100000)
            f.seek(0)
            out[i] = hashlib.sha1(f.read()).hexdigest()

    in_threads(8, body)
    print('files', hashlib.sha1(repr(sorted(out.items())).encode()).hexdigest())


locals_apart()
queues()
events()
tls()
database()
waiting()
files()
