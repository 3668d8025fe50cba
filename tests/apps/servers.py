"""Real servers: how each is configured, started, probed, loaded and held idle.

Every method returns plain text or numbers; run.py calls them natively and under greenshim and
compares.  The data lives in run.dir; the port is free at the time of asking.
"""

import os
import re
import shutil
import signal
import socket
import struct
import threading
import time

import lib
from harness import PYTHON, Failure, wait_until

FILES = {'1k': 1024, '100k': 102400, '1m': 1 << 20}


def make_www(run):
    """The served directory; returns path -> body."""
    os.mkdir(run.path('www'))
    os.chmod(run.path('www'), 0o755)
    return {'/' + name: lib.make_file(run.path('www', name), size, name)
            for name, size in FILES.items()}


class Server:
    """One server program; run is the harness.Run of this mode."""

    name = ''
    needs = ()          # commands that must be installed
    idle = 1000         # idle connections held while a probe answers
    held = 8            # connections still open when it is told to end
    stop = signal.SIGTERM
    noise = None        # lines on stderr that may come or not come natively

    def __init__(self, run):
        self.run = run
        self.port = lib.free_port()
        self.proc = None    # once started

    def prepare(self):
        """Files and helpers."""

    def argv(self):
        raise NotImplementedError

    def probe(self):
        """A short exchange with a known answer."""
        raise NotImplementedError

    def load(self):
        """Concurrent clients; the answer does not depend on timing."""
        raise NotImplementedError

    greet = None        # one exchange on each idle connection

    def connect(self):
        """A connection that is to be idle."""
        sock = socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE)
        try:
            if self.greet:
                self.greet(sock)
        except Exception:
            sock.close()
            raise
        return sock


# ---------------------------------------------------------------------------- HTTP

class HttpServer(Server):
    """Serves the files of make_www."""

    workers = 16
    requests = 60
    proxy = None
    tls = False
    close = False       # one request per connection

    def prepare(self):
        self.files = make_www(self.run)

    def target(self):
        return self.port

    def probe(self):
        http = lib.HttpClient(self.target(), self.proxy, self.tls)
        try:
            status, body = http.get('/1k', close=True)
        finally:
            http.close()
        return '%d %s' % (status, body == self.files['/1k'])

    def load(self):
        return str(lib.http_load(self.target(), self.files, self.workers, self.requests,
                                 self.proxy, self.tls, self.close))

    def greet(self, sock):
        http = lib.HttpClient(self.port)
        http.sock = sock
        status, body = http.get('/1k')
        if status != 200 or body != self.files['/1k']:
            raise OSError('wrong answer on a connection that was to be idle')

    def wrk(self, connections=32, seconds=1):
        """wrk with keep-alive; says what went wrong, its rate is not part of the answer."""
        text = self.run.tool(['wrk', '-t2', '-c%d' % connections, '-d%ds' % seconds,
                              'http://%s:%d/1k' % (lib.HOST, self.port)])
        bad = re.findall(r'Socket errors.*|Non-2xx.*', text)
        served = re.search(r'(\d+) requests in', text)
        return 'wrk served=%s errors=%s' % (served and int(served.group(1)) > 0, bad)


class Behind(HttpServer):
    """In front of an HTTP server of ours."""

    def prepare(self):
        super().prepare()
        self.back = lib.free_port()
        proc = self.run.popen([PYTHON, os.path.join(os.path.dirname(__file__), 'backend.py'),
                               self.run.path('www'), str(self.back)], helper=True)
        self.run.listening(proc, self.back)

    greet = None


class ThreadServer(HttpServer):
    name = 'threadserver'
    needs = ('wrk',)

    def prepare(self):
        pass

    def argv(self):
        return [threadserver_path(self.run), '-p', str(self.port), '-m', 'http']

    def body(self):
        http = lib.HttpClient(self.port)
        try:
            status, body = http.get('/', close=True)
        finally:
            http.close()
        if status != 200 or not body:
            raise OSError('status %d' % status)
        return body

    def probe(self):
        return repr(self.body())

    def load(self):
        answer = str(lib.http_load(self.port, {'/': self.body()}, 32, 100))
        return answer + ' ' + self.wrk()

    def greet(self, sock):
        http = lib.HttpClient(self.port)
        http.sock = sock
        status, _ = http.get('/')
        if status != 200:
            raise OSError('status %d' % status)


def threadserver_path(run):
    return os.path.join(run.build, 'tests', 'bench', 'threadserver')


class Echo(Server):
    """Sends back what it is sent, on any number of connections."""

    def greet(self, sock):
        sock.sendall(b'good day')
        if lib.read_exactly(sock, 8) != b'good day':
            raise OSError('wrong echo')

    def probe(self):
        with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
            self.greet(s)
            s.shutdown(socket.SHUT_WR)
            return 'echo, then %r' % s.recv(1)

    def many_messages(self, connections, each):
        """Small messages on many connections at once."""
        def client(number):
            with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
                for i in range(each):
                    message = b'%06d/%06d' % (number, i)
                    s.sendall(message)
                    if lib.read_exactly(s, len(message)) != message:
                        raise OSError('wrong echo')
        lib.in_threads(connections, client)


class ThreadServerEcho(Echo):
    name = 'threadserver-echo'

    def argv(self):
        return [threadserver_path(self.run), '-p', str(self.port), '-m', 'echo']

    def load(self):
        """Small messages on many connections, and 4 MiB at once through one."""
        self.many_messages(32, 200)
        block = os.urandom(4 << 20)
        with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
            sender = threading.Thread(target=s.sendall, args=(block,), daemon=True)
            lib.start(sender)
            same = lib.read_exactly(s, len(block)) == block
            sender.join()
        return '32 x 200 messages, 4 MiB %s' % same


class PythonHttp(HttpServer):
    """http.server's listen queue holds 5: few clients connect at a time."""

    name = 'python-http'
    workers = 5
    requests = 60

    def argv(self):
        return [PYTHON, '-m', 'http.server', '--bind', lib.HOST, '--protocol', 'HTTP/1.1',
                '-d', self.run.path('www'), str(self.port)]

    def load(self):
        kept = super().load()
        closed = lib.http_load(self.port, self.files, 4, 50, close=True)
        return '%s; %s' % (kept, closed)


class Nginx(HttpServer):
    name = 'nginx'
    needs = ('nginx', 'wrk')
    level = 'error'

    def prepare(self):
        super().prepare()
        d = self.run.dir
        self.run.write('nginx.conf', '\n'.join((
            'daemon off;', 'user www-data;', 'worker_processes 1;', 'worker_rlimit_nofile 4096;',
            'pid %s/nginx.pid;' % d, 'error_log %s/nginx.err %s;' % (d, self.level),
            'events { worker_connections 3000; }',
            'http { access_log off; aio threads;',
            ' client_body_temp_path %s/nb; proxy_temp_path %s/np;' % (d, d),
            ' fastcgi_temp_path %s/nf; uwsgi_temp_path %s/nu; scgi_temp_path %s/ns;' % (d, d, d),
            ' server { listen %s:%d; root %s/www; keepalive_requests 1000000; } }' % (
                lib.HOST, self.port, d), '')))

    def argv(self):
        return ['nginx', '-e', self.run.path('nginx.err'), '-c', self.run.path('nginx.conf')]

    def load(self):
        return super().load() + ' ' + self.wrk()


class Apache(HttpServer):
    needs = ('apache2', 'wrk')
    mpm = ''
    more = ''
    servers = 1
    threads = 64

    def prepare(self):
        super().prepare()
        d, modules = self.run.dir, '/usr/lib/apache2/modules'
        self.run.write('apache.conf', '\n'.join((
            'ServerRoot %s' % d, 'DefaultRuntimeDir %s' % d, 'PidFile %s/apache.pid' % d,
            'Listen %s:%d' % (lib.HOST, self.port), 'ServerName localhost',
            'User www-data', 'Group www-data',
            'LoadModule mpm_%s_module %s/mod_mpm_%s.so' % (self.mpm, modules, self.mpm),
            'LoadModule authz_core_module %s/mod_authz_core.so' % modules,
            'LoadModule status_module %s/mod_status.so' % modules,
            'ErrorLog %s/apache.err' % d, 'DocumentRoot %s/www' % d,
            'StartServers 1', 'KeepAlive On', 'MaxKeepAliveRequests 0', 'KeepAliveTimeout 60',
            'ServerLimit %d' % self.servers, self.more, '<IfModule !mpm_prefork_module>',
            'ThreadLimit %d' % self.threads, 'ThreadsPerChild %d' % self.threads, '</IfModule>',
            'MaxRequestWorkers %d' % (self.threads * self.servers),
            '<Location /server-status>', ' SetHandler server-status', '</Location>', '')))

    def argv(self):
        return ['apache2', '-d', self.run.dir, '-f', self.run.path('apache.conf'),
                '-DFOREGROUND']

    def load(self):
        return super().load() + ' ' + self.wrk()


class ApacheWorker(Apache):
    """A thread per connection: 1 000 idle ones need as many threads."""

    name = 'apache-worker'
    mpm = 'worker'
    threads = 1100


class ApacheEvent(Apache):
    name = 'apache-event'
    mpm = 'event'
    more = 'AsyncRequestWorkerFactor 20'


class Restarts(HttpServer):
    """Told to start anew while clients come and go: each gets its answer."""

    idle = 0
    held = 0
    graceful = None     # lets requests finish
    log = ''
    said = ''           # in the log, once for each start

    def load(self):
        def go(number):
            if number:
                return lib.http_load(self.port, self.files, 2, 60, close=True)
            for _ in range(3):
                self.restart(self.graceful)
            return None

        lib.in_threads(5, go)
        return self.probe()

    def starts(self):
        with open(self.run.path(self.log), errors='replace') as f:
            return f.read().count(self.said)

    def restart(self, sig):
        """To its end: a signal on the way may get lost, natively too."""
        want = self.starts() + 1
        self.proc.send_signal(sig)
        if not wait_until(lambda: self.starts() >= want):
            raise Failure('no new start after signal %d' % sig)


class ApacheRestarts(Restarts, Apache):
    needs = ('apache2',)
    graceful = signal.SIGUSR1
    log = 'apache.err'
    said = 'resuming normal operations'
    threads = 16
    servers = 8

    def load(self):
        answer = super().load()
        self.restart(signal.SIGHUP)     # ends requests
        return answer + ', ' + self.probe()


class ApacheWorkerRestarts(ApacheRestarts):
    name = 'apache-worker-restarts'
    mpm = 'worker'


class ApacheEventRestarts(ApacheRestarts):
    name = 'apache-event-restarts'
    mpm = 'event'


class ApachePreforkRestarts(ApacheRestarts):
    name = 'apache-prefork-restarts'
    mpm = 'prefork'
    threads = 1


class NginxRestarts(Restarts, Nginx):
    name = 'nginx-restarts'
    needs = ('nginx',)
    graceful = signal.SIGHUP
    log = 'nginx.err'
    said = 'reconfiguring'
    level = 'notice'
    stop = signal.SIGQUIT


class Stunnel(Behind):
    name = 'stunnel'
    needs = ('stunnel4', 'openssl')
    tls = True
    requests = 40
    noise = r'SSL_(accept|read|shutdown): '

    def prepare(self):
        super().prepare()
        run = self.run
        run.tool(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'st.key',
                  '-out', 'st.crt', '-days', '30', '-subj', '/CN=localhost'])
        pem = ''
        for part in ('st.key', 'st.crt'):
            with open(run.path(part)) as f:
                pem += f.read()
        run.write('st.pem', pem, 0o600)
        run.write('stunnel.conf', '\n'.join((
            'foreground = yes', 'pid =', 'debug = 3', '[web]',
            'accept = %s:%d' % (lib.HOST, self.port), 'connect = %s:%d' % (lib.HOST, self.back),
            'cert = %s' % run.path('st.pem'), '')))

    def connect(self):
        """After the handshake: clients that leave during it make it crash at its end."""
        http = lib.HttpClient(self.port, tls=True)
        http.open()
        return http.sock

    def argv(self):
        return ['stunnel4', self.run.path('stunnel.conf')]

    def load(self):
        kept = super().load()
        closed = lib.http_load(self.port, self.files, 8, 15, tls=True, close=True)
        return '%s; %s' % (kept, closed)


class Tinyproxy(Behind):
    name = 'tinyproxy'
    needs = ('tinyproxy',)
    close = True

    def prepare(self):
        super().prepare()
        self.proxy = lib.Proxy('absolute', self.port)
        self.run.write('tinyproxy.conf', '\n'.join((
            'Port %d' % self.port, 'Listen %s' % lib.HOST, 'Timeout 60', 'MaxClients 1100',
            'Allow %s' % lib.HOST, 'LogLevel Error',
            'LogFile "%s"' % self.run.path('tinyproxy.log'), '')))

    def target(self):
        return self.back

    def argv(self):
        return ['tinyproxy', '-d', '-c', self.run.path('tinyproxy.conf')]

    def load(self):
        plain = super().load()
        tunnel = lib.http_load(self.back, self.files, 16, 60, lib.Proxy('connect', self.port))
        return '%s; tunnel %s' % (plain, tunnel)


class Microsocks(Behind):
    name = 'microsocks'
    needs = ('microsocks',)

    def prepare(self):
        super().prepare()
        self.proxy = lib.Proxy('socks5', self.port)

    def target(self):
        return self.back

    def argv(self):
        return ['microsocks', '-i', lib.HOST, '-p', str(self.port)]

    def load(self):
        kept = super().load()
        named = lib.http_load(self.back, self.files, 16, 30, self.proxy, close=True, by_name=True)
        return '%s; by name %s' % (kept, named)


class Haproxy(Behind):
    """Four threads, each with its own poller and more variables than any other's."""

    name = 'haproxy'
    needs = ('haproxy',)
    noise = r'stopped \(cumulated'
    stop = signal.SIGUSR1

    def prepare(self):
        super().prepare()
        self.run.write('haproxy.cfg', '\n'.join((
            'global', ' nbthread 4', ' maxconn 2000', 'defaults', ' mode http',
            ' timeout connect 20s', ' timeout client 60s', ' timeout server 60s', 'frontend f',
            ' bind %s:%d' % (lib.HOST, self.port), ' default_backend b', 'backend b',
            ' server s %s:%d' % (lib.HOST, self.back), '')))

    held = 0    # SIGUSR1: no new connections, ends with the last one

    def argv(self):
        return ['haproxy', '-db', '-f', self.run.path('haproxy.cfg')]


class Varnish(Behind):
    """A manager and a child with pools of threads whose stacks are small."""

    name = 'varnish'
    needs = ('varnishd',)
    idle = 300

    def argv(self):
        return ['varnishd', '-F', '-j', 'none', '-a', '%s:%d' % (lib.HOST, self.port),
                '-b', '%s:%d' % (lib.HOST, self.back), '-n', self.run.path('v'),
                '-s', 'malloc,32m', '-p', 'timeout_idle=60']


# ---------------------------------------------------------------------------- processes


class Socat(Echo):
    """A child for each connection, which starts a program and copies between the two."""

    name = 'socat'
    needs = ('socat',)
    idle = 40
    noise = r'exited on signal|Connection reset|Broken pipe'

    def argv(self):
        return ['socat', 'TCP-LISTEN:%d,bind=%s,reuseaddr,fork,backlog=100' % (
            self.port, lib.HOST), 'EXEC:cat']

    def load(self):
        """Connections, then a chain of socats: stream to UNIX socket to a terminal's program."""
        self.many_messages(8, 20)
        run = self.run
        listener = run.popen(['socat', 'UNIX-LISTEN:sock,fork', 'SYSTEM:cat; echo end'])
        if not wait_until(lambda: os.path.exists(run.path('sock'))):
            raise Failure('no UNIX socket')
        answer = run.program(['socat', '-t', '20', '-', 'UNIX-CONNECT:sock'], stdin='unix\n')
        run.end(listener)
        answer += run.program(['socat', '-t', '20', '-', 'EXEC:head -1,pty,ctty,setsid,echo=0'],
                              stdin='terminal\n')
        run.program(['socat', '-u', 'EXEC:seq 3000', 'OPEN:numbers,creat'])
        return answer + lib.sha256_of(run.path('numbers'))


class Rsyslog(Server):
    """Threads of inputs, of the main queue and of an action."""

    name = 'rsyslog'
    needs = ('rsyslogd', 'logger')
    idle = 50
    noise = r'worker thread \S+ terminated'

    def prepare(self):
        d = self.run.dir
        self.run.write('rsyslog.conf', '\n'.join((
            'module(load="imuxsock" SysSock.Use="off")',
            'input(type="imuxsock" Socket="%s/sock" RateLimit.Interval="0")' % d,
            'module(load="imtcp")',
            'input(type="imtcp" port="%d" address="%s")' % (self.port, lib.HOST),
            'main_queue(queue.workerthreads="4" queue.workerthreadminimummessages="10")',
            'template(name="plain" type="string" string="%msg%\\n")',
            '*.* action(type="omfile" file="%s/all.log" template="plain"' % d,
            ' queue.type="linkedlist" queue.workerthreads="2")', '')))

    def argv(self):
        return ['rsyslogd', '-n', '-f', self.run.path('rsyslog.conf'),
                '-i', self.run.path('pid')]

    def written(self):
        try:
            with open(self.run.path('all.log'), errors='replace') as f:
                return [line.strip() for line in f]
        except FileNotFoundError:       # made for the first line
            return []

    def send(self, text):
        with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
            s.sendall(text)

    def probe(self):
        mark = 'probe %d' % time.monotonic_ns()
        self.send(b'<13>Jan  1 00:00:00 host test: %s\n' % mark.encode())
        if not wait_until(lambda: mark in self.written()):
            raise Failure('the line was not written')
        return 'written'

    def load(self):
        def client(number):
            self.send(b''.join(b'<13>Jan  1 00:00:00 host test: m %d %d\n' % (number, i)
                               for i in range(300)))

        lib.in_threads(8, client)
        for i in range(5):
            self.run.tool(['logger', '-u', self.run.path('sock'), 'local %d' % i])
        self.proc.send_signal(signal.SIGHUP)

        def lines():
            return [line for line in self.written() if line.startswith(('m ', 'local '))]

        wait_until(lambda: len(lines()) >= 2405)
        return '%d lines, %d different' % (len(lines()), len(set(lines())))


# ---------------------------------------------------------------------------- key-value

class Memcached(Server):
    name = 'memcached'
    needs = ('memcached',)

    def argv(self):
        return ['memcached', '-l', lib.HOST, '-p', str(self.port), '-U', '0', '-t', '4',
                '-c', '1200', '-u', 'root']

    def talk(self, sock, text, until):
        sock.sendall(text)
        reply = b''
        while not reply.endswith(until):
            part = sock.recv(1 << 16)
            if not part:
                raise EOFError('memcached closed the connection')
            reply += part
        return reply

    def probe(self):
        with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
            stored = self.talk(s, b'set k 0 0 5\r\nhello\r\n', b'\r\n')
            return repr(stored + self.talk(s, b'get k\r\n', b'END\r\n'))

    def greet(self, sock):
        if not self.talk(sock, b'version\r\n', b'\r\n').startswith(b'VERSION'):
            raise OSError('no version')

    def load(self):
        """Each client has its keys; all count on one counter."""
        def client(number):
            with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
                for i in range(150):
                    value = b'%d-%d-' % (number, i) * (1 + i * 7)
                    key = b'key-%d-%d' % (number, i % 20)
                    if self.talk(s, b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value),
                                 b'\r\n') != b'STORED\r\n':
                        raise OSError('not stored')
                    want = b'VALUE %s 0 %d\r\n%s\r\nEND\r\n' % (key, len(value), value)
                    if self.talk(s, b'get %s\r\n' % key, b'END\r\n') != want:
                        raise OSError('wrong value')
                    self.talk(s, b'incr total 1\r\n', b'\r\n')

        with socket.create_connection((lib.HOST, self.port), timeout=lib.PATIENCE) as s:
            self.talk(s, b'set total 0 0 1\r\n0\r\n', b'\r\n')
            lib.in_threads(32, client)
            return repr(self.talk(s, b'get total\r\n', b'END\r\n').split(b'\r\n')[1])


class Redis(Server):
    name = 'redis'
    needs = ('redis-server', 'redis-cli', 'redis-benchmark')

    def argv(self):
        return ['redis-server', '--bind', lib.HOST, '--port', str(self.port), '--dir',
                self.run.dir, '--save', '', '--daemonize', 'no', '--appendonly', 'yes',
                '--appendfsync', 'everysec', '--maxclients', '2000']

    def cli(self, *words, stdin=None):
        return self.run.tool(['redis-cli', '-h', lib.HOST, '-p', str(self.port)] + list(words),
                             stdin=stdin)

    def probe(self):
        return self.cli('set', 'probe', '41') + self.cli('incr', 'probe')

    def greet(self, sock):
        sock.sendall(b'PING\r\n')
        if lib.read_exactly(sock, 7) != b'+PONG\r\n':
            raise OSError('no PONG')

    def info(self, word):
        found = re.search(r'^%s:(\S+)' % word, self.cli('info'), re.M)
        return found.group(1) if found else None

    def idle_job(self, word):
        if not wait_until(lambda: self.info(word) == '0'):
            raise Failure('%s did not end' % word)

    def load(self):
        answer = self.cli(stdin='\n'.join((
            'rpush list c a d b', 'sort list alpha', 'hset h f1 v1 f2 v2', 'hgetall h',
            'zadd z 3 three 1 one 2 two', 'zrange z 0 -1 withscores', 'sadd s x y x', 'scard s',
            'multi', 'incr n', 'incr n', 'exec', 'eval "return ARGV[1] * 2" 0 21',
            'setrange bits 3 x', 'bitcount bits', 'append probe .5', 'get probe',
            'expire h 100', 'type z', 'blpop nothing 0.05', 'xadd st 1-1 a b', 'xrange st - +',
            'nosuchcommand')) + '\n')
        bench = self.run.tool(['redis-benchmark', '-h', lib.HOST, '-p', str(self.port), '-c', '50',
                               '-n', '10000', '-t', 'set,get,incr,lpush,mset', '--csv'])
        answer += ' '.join(line.split(',')[0] for line in bench.splitlines())
        answer += ' ' + self.cli('incr', 'counter:__rand_int__')
        self.idle_job('aof_rewrite_in_progress')
        self.cli('bgrewriteaof')
        self.idle_job('aof_rewrite_in_progress')
        self.idle_job('rdb_bgsave_in_progress')
        self.cli('bgsave')
        self.idle_job('rdb_bgsave_in_progress')
        answer += ' aof %s rdb %s' % (self.info('aof_last_bgrewrite_status'),
                                      self.info('rdb_last_bgsave_status'))
        answer += ' ' + self.cli('dbsize') + self.cli('flushall', 'async') + self.cli('dbsize')
        return answer


# ---------------------------------------------------------------------------- SQL

class Mariadb(Server):
    name = 'mariadb'
    needs = ('mariadbd', 'mariadb', 'mariadb-install-db', 'sysbench')
    noise = r'Starting MariaDB|Aborted connection|Buffer pool'

    def prepare(self):
        run = self.run
        run.tool(['mariadb-install-db', '--no-defaults', '--datadir=' + run.path('my'),
                  '--auth-root-authentication-method=normal', '--skip-test-db', '--user=root',
                  '--innodb-use-native-aio=0'], seconds=120)

    def argv(self):
        d = self.run.dir
        return ['mariadbd', '--no-defaults', '--user=root', '--datadir=%s/my' % d,
                '--socket=%s/my.sock' % d, '--pid-file=%s/my.pid' % d,
                '--bind-address=' + lib.HOST, '--port=%d' % self.port,
                '--thread-handling=one-thread-per-connection', '--max-connections=1200',
                '--innodb-use-native-aio=0', '--skip-name-resolve', '--back-log=1000']

    def sql(self, text, database=None):
        words = ['mariadb', '--no-defaults', '-h' + lib.HOST, '-P%d' % self.port, '-uroot',
                 '--skip-column-names', '-B']
        return self.run.tool(words + ([database] if database else []), stdin=text)

    def probe(self):
        return self.sql('select 6*7, @@thread_handling, sleep(0.01);')

    def greet(self, sock):
        """The server speaks first: a packet of 3 bytes length, 1 byte number."""
        head = lib.read_exactly(sock, 4)
        lib.read_exactly(sock, int.from_bytes(head[:3], 'little'))

    def sysbench(self, command, *options):
        return self.run.tool(['sysbench', 'oltp_point_select', '--db-driver=mysql',
                              '--mysql-host=' + lib.HOST, '--mysql-port=%d' % self.port,
                              '--mysql-user=root', '--mysql-db=sb', '--tables=1',
                              '--table-size=2000'] + list(options) + [command])

    def load(self):
        self.sql('create database sb; create database own; use own;'
                 'create table c (id int primary key, n int) engine=innodb;'
                 'insert into c values (1, 0), (2, 0);'
                 'create table w (id int auto_increment primary key, who int, t varchar(60),'
                 ' key(who)) engine=innodb;')
        self.sysbench('prepare')
        text = self.sysbench('run', '--threads=16', '--events=16000', '--time=0')
        answer = ' '.join(re.findall(r'(?:read|ignored errors|reconnects|total number of events):'
                                     r'\s+\d+', text))
        turns = 60

        def client(number):
            parts = []
            for i in range(turns):
                parts.append('start transaction; update c set n = n + 1 where id = 1;'
                             "insert into w (who, t) values (%d, concat('row-', %d));"
                             'update c set n = n + 1 where id = 2; commit;' % (number, i))
                parts.append('select count(*) from w where who = %d;' % number)
            counts = self.sql(''.join(parts), 'own').split()
            if counts != [str(i + 1) for i in range(turns)]:
                raise OSError('client %d counted %s' % (number, counts))

        lib.in_threads(8, client)
        locked = self.sql("select get_lock('x', 1), release_lock('x'), benchmark(1000, md5('a'));")
        answer += ' ' + self.sql('select * from c; select who, count(*), max(t), '
                                 'md5(group_concat(t order by id)) from w group by who;'
                                 'checksum table c; select count(*), sum(id) from sb.sbtest1;',
                                 'own')
        return answer + locked


class Postgres(Server):
    """A process for each connection; semaphores and latches in shared memory, parallel queries."""

    name = 'postgres'
    bin = '/usr/lib/postgresql/15/bin/'
    needs = (bin + 'postgres', 'psql', 'setpriv')
    idle = 30
    stop = signal.SIGINT    # without waiting for clients to leave
    noise = r'checkpoint|Connection reset|starting up|connection to client'
    user = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups']

    def prepare(self):
        os.mkdir(self.run.path('pg'))
        shutil.chown(self.run.path('pg'), 'nobody', 'nogroup')
        self.run.program(self.user + [self.bin + 'initdb', '-D', self.run.path('pg'), '-A',
                                      'trust', '-U', 'pg', '-E', 'UTF8', '--locale=C',
                                      '--no-sync'], seconds=120)

    def argv(self):
        options = ('listen_addresses=' + lib.HOST, 'port=%d' % self.port,
                   'unix_socket_directories=', 'max_connections=60', 'log_line_prefix=',
                   'min_parallel_table_scan_size=0', 'parallel_setup_cost=0',
                   'parallel_tuple_cost=0', 'fsync=off', 'shared_buffers=16MB')
        return self.user + [self.bin + 'postgres', '-D', self.run.path('pg')] + [
            word for option in options for word in ('-c', option)]

    def greet(self, sock):
        """Log in: protocol 3.0, then messages of a letter and a length up to Z, ready."""
        words = b'\0'.join((b'user', b'pg', b'database', b'postgres', b'', b''))
        sock.sendall(struct.pack('!ii', 8 + len(words), 3 << 16) + words)
        kind = None
        while kind != b'Z':
            kind = lib.read_exactly(sock, 1)
            size, = struct.unpack('!i', lib.read_exactly(sock, 4))
            lib.read_exactly(sock, size - 4)

    def sql(self, *texts, check=True):
        commands = [word for text in texts for word in ('-c', text)]
        return self.run.tool(['psql', '-h', lib.HOST, '-p', str(self.port), '-U', 'pg', '-XAtq']
                             + commands + ['postgres'], check=check)

    def probe(self):
        if not wait_until(lambda: self.sql('select 6*7', check=False).strip() == '42'):
            raise Failure('no answer')
        return '42'

    def load(self):
        bench = [self.bin + 'pgbench', '-h', lib.HOST, '-p', str(self.port), '-U', 'pg']
        self.run.program(bench + ['-i', '-q', 'postgres'])
        text = self.run.program(bench + ['-n', '-c', '16', '-j', '4', '-t', '20', 'postgres'])
        answer = ' '.join(re.findall(r'actually processed: \S+|failed transactions: \d+', text))
        answer += self.sql('select (select sum(abalance) from pgbench_accounts) ='
                           ' (select sum(delta) from pgbench_history),'
                           ' (select count(*) from pgbench_history)')
        answer += self.sql('explain (costs off) select count(*) from pgbench_accounts')
        counts = []
        lib.in_threads(4, lambda _: counts.append(
            self.sql('select count(*), sum(aid) from pgbench_accounts')))
        answer += ''.join(counts)

        def sleep_or_cancel(number):
            if number:
                wait_until(lambda: self.sql(
                    "select pg_cancel_backend(pid) from pg_stat_activity"
                    " where query like '%pg_sleep%' and pid <> pg_backend_pid()").strip() == 't')
            else:
                self.sql('select pg_sleep(60)', check=False)

        lib.in_threads(2, sleep_or_cancel)
        self.proc.send_signal(signal.SIGHUP)
        return answer + self.sql('vacuum analyze', 'checkpoint', 'select pg_is_in_recovery()')


ALL = [ThreadServer, ThreadServerEcho, Microsocks, Tinyproxy, PythonHttp, Stunnel, Memcached,
       Redis, Nginx, Mariadb, ApacheWorker, ApacheEvent, ApacheWorkerRestarts, ApacheEventRestarts,
       ApachePreforkRestarts, NginxRestarts, Haproxy, Varnish, Socat, Rsyslog, Postgres]
