"""Clients and process tools: each runs to its end and must print what it prints natively.

A program is a function (run) -> text; it starts what is under test by run.program and its
preparation by run.tool or as a native helper.
"""

import atexit
import fcntl
import functools
import hashlib
import os
import re
import select
import shutil
import struct
import sysconfig
import tempfile
import termios
import time

import lib
from harness import PYTHON, Failure, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = []


def program(name, *needs, noise=None):
    """Adds a scenario; noise matches lines on stderr that may come or not come natively."""
    def note(function):
        function.program_name = name
        function.needs = needs
        function.noise = noise
        ALL.append(function)
        return function
    return note


def script(name):
    return os.path.join(HERE, 'progs', name)


@functools.lru_cache(maxsize=None)
def bin_directory():
    directory = tempfile.mkdtemp(prefix='greenshim-apps-bin-')
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def compiled(run, name):
    """A C++ program of ours, compiled on first use."""
    path = os.path.join(bin_directory(), name)
    if not os.path.exists(path):
        run.tool(['g++', '-std=c++17', '-O1', '-pthread', '-o', path, script(name + '.cc')],
                 seconds=120)
    return path


def backend(run, files):
    """A native HTTP server for files: name -> size; returns its port and name -> body."""
    os.mkdir(run.path('www'))
    bodies = {name: lib.make_file(run.path('www', name), size, name)
              for name, size in files.items()}
    port = lib.free_port()
    proc = run.popen([PYTHON, os.path.join(HERE, 'backend.py'), run.path('www'), str(port)],
                     helper=True)
    run.listening(proc, port)
    return port, bodies


def digest_of_files(run, names):
    return ' '.join(lib.sha256_of(run.path(n))[:16] for n in names)


def compressible(run, name):
    """Fills a file of 7 MB that shrinks by half; returns its digest."""
    with open(run.path(name), 'wb') as f:
        for i in range(12):
            f.write(hashlib.shake_256(b'%d' % i).digest(300000).hex().encode())
    return digest_of_files(run, [name])


@program('curl-parallel', 'curl')
def curl_parallel(run):
    names = ['f%d' % i for i in range(1, 9)]
    port, bodies = backend(run, {n: 4 << 20 for n in names})
    text = run.program(['curl', '--no-progress-meter', '--parallel', '--parallel-immediate',
                        '--fail', '-o', 'got.#1', 'http://localhost:%d/f[1-8]' % port])
    same = [hashlib.sha256(bodies[n]).hexdigest() == lib.sha256_of(run.path('got.%s' % n[1:]))
            for n in names]
    return '%s%s' % (text, same)


@program('curl-by-name', 'curl')
def curl_by_name(run):
    """Name lookups by curl's resolver threads: of a good name and of one that is not."""
    port, _ = backend(run, {'f': 5000})
    host = os.uname().nodename
    good = run.program(['curl', '-sS', '--fail', '--resolve', '%s:%d:127.0.0.1' % (host, port),
                        'http://%s:%d/f' % (host, port)])
    bad = run.program(['curl', '-s', 'http://no-such-name.invalid/'], status=6)
    return hashlib.sha256(good.encode()).hexdigest() + bad


@program('wrk', 'wrk')
def wrk(run):
    port, _ = backend(run, {'f': 1000})
    text = run.program(['wrk', '-t4', '-c32', '-d1s', 'http://127.0.0.1:%d/f' % port])
    served = re.search(r'(\d+) requests in', text)
    return 'requests %s errors %s threads %s' % (
        served is not None and int(served.group(1)) > 0,
        re.findall(r'Socket errors.*|Non-2xx.*', text), re.findall(r'\d+ threads and \d+', text))


@program('sort-parallel', 'sort')
def sort_parallel(run):
    numbers = hashlib.shake_256(b'sort').digest(3000000).hex()
    with open(run.path('in'), 'w') as f:
        f.writelines(numbers[i:i + 12] + '\n' for i in range(0, len(numbers), 12))
    run.program(['sort', '--parallel=8', '-S', '64M', '-o', 'out', 'in'])
    run.program(['sort', '--parallel=8', '-S', '4M', '-T', run.dir, '-r', '-o', 'back', 'in'])
    return digest_of_files(run, ['out', 'back'])


@program('xz-threads', 'xz')
def xz_threads(run):
    before = compressible(run, 'data')
    run.program(['xz', '-1', '-T4', '--block-size=1MiB', 'data'])
    packed = digest_of_files(run, ['data.xz'])
    run.program(['xz', '-d', '-T4', 'data.xz'])
    return '%s %s' % (packed, before == digest_of_files(run, ['data']))


@program('zstd-threads', 'zstd')
def zstd_threads(run):
    before = compressible(run, 'data')
    run.program(['zstd', '-q', '-3', '-T4', '-B1MiB', '--rm', 'data'])
    packed = digest_of_files(run, ['data.zst'])
    run.program(['zstd', '-q', '-t', '-T4', 'data.zst'])
    run.program(['zstd', '-q', '-d', '-T4', 'data.zst'])
    return '%s %s' % (packed, before == digest_of_files(run, ['data']))


@program('pigz-threads', 'pigz')
def pigz_threads(run):
    before = compressible(run, 'data')
    run.program(['pigz', '-n', '-T', '-p8', 'data'])
    packed = digest_of_files(run, ['data.gz'])
    run.program(['pigz', '-t', '-p8', 'data.gz'])
    run.program(['pigz', '-d', '-p8', 'data.gz'])
    return '%s %s' % (packed, before == digest_of_files(run, ['data']))


@program('tar-pipe', 'tar', 'pigz')
def tar_pipe(run):
    """Many small files from one tar to another, then through a program tar starts."""
    names = ['tree/d%d/f%d' % (i % 20, i) for i in range(500)]
    for i in range(20):
        os.makedirs(run.path('tree', 'd%d' % i))
        os.mkdir(run.path('tree', 'd%d' % i, 'empty'))
    for i, name in enumerate(names):
        lib.make_file(run.path(name), i * 37 % 5000, name)
    want = digest_of_files(run, names)
    os.mkdir(run.path('copy'))
    answer = run.program(['sh', '-c', 'tar -cf - --sort=name tree | tar -xvf - -C copy'])
    same = want == digest_of_files(run, ['copy/' + n for n in names])
    answer += run.program(['sh', '-c', 'tar -cf - -C copy tree | tar -df -'])
    run.program(['tar', '-I', 'pigz -p8', '-cf', 'tree.tgz', 'tree'])
    listed = run.program(['tar', '-I', 'pigz -p8', '-tf', 'tree.tgz'])
    os.remove(run.path('copy', names[0]))
    bad = run.program(['tar', '-df', 'tree.tgz', '-z', '-C', 'copy'], status=1)
    return '%s%s %d %s' % (answer, same, listed.count('\n'), bad)


@program('git', 'git')
def git(run):
    """clone, repack --threads, fsck, grep --threads, index-pack through a local clone."""
    stream = []
    for n in range(300):
        body = '\n'.join('%d line of file %d' % (i, n) for i in range(n + 40)) + '\n'
        stream.append('blob\nmark :%d\ndata %d\n%s' % (n + 1, len(body), body))
    for c in range(10):
        text = 'commit %d' % c
        stream.append('commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata %d\n%s\n'
                      % (1000000000 + c, len(text), text))
        stream += ['M 100644 :%d dir%d/file%d\n' % (n + 1, n % 7, n) for n in range(c * 30,
                                                                                     c * 30 + 30)]
    run.tool(['git', 'init', '-q', '--bare', '-b', 'main', 'origin.git'])
    run.tool(['git', '-C', 'origin.git', 'fast-import', '--quiet'], stdin=''.join(stream))
    answer = [run.program(['git', 'clone', '-q', 'file://' + run.path('origin.git'), 'work'])]
    inside = ['git', '-C', 'work']
    answer.append(run.program(inside + ['repack', '-q', '-a', '-d', '-f', '--threads=4']))
    answer.append(run.program(inside + ['fsck', '--full', '--no-progress']))
    found = run.program(inside + ['grep', '--threads', '8', '-n', 'line of file 1'])
    answer.append('%d %s' % (found.count('\n'), hashlib.sha256(found.encode()).hexdigest()))
    answer.append(run.program(inside + ['-c', 'index.threads=4', 'status', '--porcelain']))
    answer.append(run.program(inside + ['log', '--oneline']))
    return '\n'.join(answer)


@program('make-j8', 'make')
def make_j8(run):
    rules = ['all: %s' % ' '.join('o%d' % i for i in range(64)), '\tcat $^ > all']
    rules += ['o%d:\n\t@echo made $@ | tr a-z A-Z > $@; sleep 0.01' % i for i in range(64)]
    rules += ['bad:\n\t@exit 3']
    run.write('Makefile', '\n'.join(rules) + '\n')
    text = run.program(['make', '-j8'])
    bad = run.program(['make', '-j4', 'bad'], status=2)
    return text + digest_of_files(run, ['all']) + bad


@program('make-j16', 'make')
def make_j16(run):
    """A chain, a fan and three makes below that share the job slots; output kept together."""
    low = ['l%d' % i for i in range(60)]
    rules = ['TEXT := $(shell seq 5 | tr "\\n" "+")0', 'all: high sub1 sub2 sub3',
             '\t@echo all: $(words $^) $(TEXT)', '.PHONY: all sub1 sub2 sub3',
             'high: %s chain20' % ' '.join(low), '\tcat $^ | sort > $@']
    rules += ['%s:\n\t@echo $@ | sed s/l/low/ > $@; test -s $@' % name for name in low]
    rules += ['chain0:\n\techo start > $@']
    rules += ['chain%d: chain%d\n\t@(cat $<; echo $@) > $@' % (i, i - 1) for i in range(1, 21)]
    rules += ['sub%d:\n\t@mkdir $@; $(MAKE) -s -C $@ -f ../sub.mk' % i for i in (1, 2, 3)]
    run.write('Makefile', '\n'.join(rules) + '\n')
    parts = ['p%d' % i for i in range(12)]
    run.write('sub.mk', 'all: %s\n\t@cat $^ > all\n%s:\n\t@echo $@ $$(echo $@ | wc -c) > $@\n'
              % (' '.join(parts), ' '.join(parts)))
    text = run.program(['make', '-j16', '--output-sync=target', '--no-print-directory'])
    again = run.program(['make', '-j16', '-q', 'high'])
    made = digest_of_files(run, ['high', 'sub1/all', 'sub2/all', 'sub3/all'])
    return '\n'.join(sorted(text.split('\n'))) + again + made


@program('xargs-P8', 'xargs')
def xargs(run):
    text = run.program(['xargs', '-P8', '-n1', 'sh', '-c', 'echo "$0" $(($0 * $0))'],
                       stdin='\n'.join(map(str, range(200))) + '\n')
    bad = run.program(['xargs', '-P4', '-n1', 'sh', '-c', 'exit $0'], stdin='0\n1\n0\n',
                      status=123)
    return '\n'.join(sorted(text.split('\n'))) + bad


@program('parallel-j8', 'parallel')
def parallel_j8(run):
    """GNU parallel: many jobs in order, blocks of a stream, retries, exit statuses."""
    gnu = ['parallel', '--will-cite']
    answer = run.program(gnu + ['-j8', '-k', 'echo {} $(({} * {})) | tr 0-9 a-j', ':::']
                         + [str(i) for i in range(60)])
    lines = ''.join('%d\n' % i for i in range(20000))
    counts = run.program(gnu + ['-j4', '--pipe', '--block', '10k', 'wc -l'], stdin=lines)
    answer += '%d lines\n' % sum(map(int, counts.split()))
    answer += run.program(gnu + ['-j4', '-k', '--retries', '3',
                                 'echo x >>tried{}; test $(wc -l <tried{}) -ge {} && echo ok {}',
                                 ':::', '1', '2', '3', '4'], status=1)
    return answer + run.program(gnu + ['-j4', 'exit {}', ':::', '0', '1', '0', '2', '3'], status=3)


@program('bash-jobs', 'bash')
def bash_jobs(run):
    return run.program(['bash', script('jobs.sh')], status=6)


@program('bash-pipelines', 'bash')
def bash_pipelines(run):
    return run.program(['bash', script('pipelines.sh')], status=8)


@program('python-pool')
def python_pool(run):
    port, _ = backend(run, {'f': 20000})
    text = run.program([PYTHON, script('pool.py'), 'http://127.0.0.1:%d/f' % port])
    return text + run.program([PYTHON, script('pool.py'), 'http://localhost:%d/f' % port])


@program('python-children')
def python_children(run):
    return run.program([PYTHON, script('children.py')], status=4)


@program('python-subprocesses')
def python_subprocesses(run):
    return run.program([PYTHON, script('subprocesses.py')], status=5)


def read_slowly(fd, run):
    """All that comes through a pipe: it stays full until the file `awake` is there."""
    def waiting():
        return struct.unpack('i', fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    room = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    if not wait_until(lambda: waiting() > room - 2 * select.PIPE_BUF):
        raise Failure('the pipe holds %d bytes of %d' % (waiting(), room))
    run.write('full', '')
    if not wait_until(lambda: os.path.exists(run.path('awake'))):
        raise Failure('nothing else runs while the pipe is full')
    parts = []
    while part := os.read(fd, 3000):
        parts.append(part)
        time.sleep(0.002)
    return b''.join(parts).decode()


@program('python-full-pipe')
def python_full_pipe(run):
    """Threads print to a pipe that is full, while another sleeps: no line is torn or lost."""
    lines = 3000
    r, w = os.pipe()
    try:
        with run.guard('print', 60):
            with open(w, 'wb') as out:
                proc = run.popen([PYTHON, script('full_pipe.py'), str(lines)], stdout=out)
            seen = read_slowly(r, run)
            status = proc.wait()
    finally:
        os.close(r)
    want = ['%d %d %s' % (n, i, 'x' * (i % 50)) for n in range(4) for i in range(lines)]
    return 'status %d, every line once and whole: %s' % (
        status, sorted(seen.split('\n')) == sorted(want + ['']))


@program('python-mix', 'openssl')
def python_mix(run):
    run.tool(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key',
              '-out', 'cert', '-days', '30', '-subj', '/CN=localhost', '-addext',
              'subjectAltName=DNS:localhost'])
    return run.program([PYTHON, script('mix.py'), 'cert', 'key'])


@program('perl-fork-pipe', 'perl')
def perl_fork_pipe(run):
    return run.program(['perl', script('fork_pipe.pl')])


@program('ruby-threads', 'ruby')
def ruby_threads(run):
    return run.program(['ruby', script('threads.rb')], status=4)


@program('perl-threads', 'perl')
def perl_threads(run):
    return run.program(['perl', script('threads.pl')])


@program('ripgrep-threads', 'rg')
def ripgrep_threads(run):
    """Rust's threads, which share out work and look for more in a loop of yields."""
    for i in range(300):
        os.makedirs(run.path('tree', 'd%d' % (i % 30)), exist_ok=True)
        lib.make_file(run.path('tree', 'd%d' % (i % 30), 'f%d' % i), 3000, 'f%d' % i)
    lines = run.program(['rg', '-a', '-j8', '--count', '--sort=path', 'A', 'tree'])
    found = run.program(['rg', '-a', '-j8', '--files', 'tree'])
    none = run.program(['rg', '-j8', 'no such text', 'tree'], status=1)
    return '%s %d %r' % (lines, len(found.split()), none)


@program('standard-input', 'bash', 'zstd', 'pigz', 'xz')
def standard_input(run):
    """Threads that read a pipe opened by its name, as a shell's <(...) and /dev/stdin do."""
    before = compressible(run, 'data')
    answer = ''
    for tool in ('zstd -q -T4', 'xz -0 -T4', 'pigz -1 -p4'):
        name = tool.split()[0]
        answer += run.program(['bash', '-c', '%s -c < <(cat data) >packed && '
                               '%s -dc < <(cat packed) | sha256sum' % (tool, name)])
        answer += run.program(['bash', '-c', 'cat data | %s -c /dev/stdin | %s -dc | sha256sum' % (
            tool, name)]) if name == 'zstd' else ''
    return before + answer


PRELOADS = ('libjemalloc.so.2', 'libtcmalloc_minimal.so.4', 'libeatmydata.so',
            'faketime/libfaketime.so.1', 'faketime/libfaketimeMT.so.1')


@program('other-preloads', 'g++', 'perl')
def other_preloads(run):
    """Allocators and libraries that take over calls, in front of ours and behind."""
    answer = ''
    for name in PRELOADS:
        path = '/usr/lib/%s/%s' % (sysconfig.get_config_var('MULTIARCH'), name)
        if not os.path.exists(path):
            raise Failure('%s is not installed' % path)
        # libfaketime does not know of waits by a steady clock, which hang, also natively.
        started = 'perl ' + script('threads.pl') if 'fake' in name else compiled(run, 'threads')
        for order in ('%s${LD_PRELOAD:+:$LD_PRELOAD}', '${LD_PRELOAD:+$LD_PRELOAD:}%s'):
            answer += run.program(['sh', '-c', 'FAKETIME="@2001-01-01 0:0:0" LD_PRELOAD=%s %s' % (
                order % path, started)])
    return answer


@program('cxx-threads', 'g++')
def cxx_threads(run):
    return run.program([compiled(run, 'threads')])


@program('sysbench-threads', 'sysbench')
def sysbench_threads(run):
    answer = ''
    for test in (['threads', '--events=400', '--thread-yields=20'], ['mutex', '--mutex-locks=500']):
        answer += run.program(['sysbench'] + test + ['--threads=16', '--time=0', 'run'])
    return '; '.join(re.findall(r'total number of events:\s+\d+|Number of threads: \d+', answer))


@program('redis-benchmark', 'redis-server', 'redis-benchmark')
def redis_benchmark(run):
    port = lib.free_port()
    proc = run.popen(['redis-server', '--bind', lib.HOST, '--port', str(port), '--save', ''],
                     helper=True)
    run.listening(proc, port)
    text = run.program(['redis-benchmark', '-h', lib.HOST, '-p', str(port), '--threads', '4',
                        '-c', '32', '-n', '20000', '-t', 'set,get', '--csv'])
    return ' '.join(line.split(',')[0] for line in text.splitlines())


STREAMS = 16


def iperf_rows(text):
    """(streams, bytes): the fields are date, addresses and ports, id, interval, bytes, rate."""
    rows = [line.split(',') for line in text.split('\n') if line.count(',') == 8]
    sizes = [int(r[7]) for r in rows if r[5] != '-1']
    return sum(size > 0 for size in sizes), sum(sizes)


def iperf(server_mode, client_mode):
    """An iperf run with each side native or in the mode under test."""
    def scenario(run):
        port = lib.free_port()
        modes = ['native' if m == 'native' else run.mode for m in (server_mode, client_mode)]
        out = run.path('server.csv')
        with open(out, 'wb') as f:
            server = run.popen(['iperf', '-s', '-B', lib.HOST, '-p', str(port), '-y', 'C'],
                               mode=modes[0], stdout=f)
        run.listening(server, port)
        client = ['iperf', '-c', lib.HOST, '-p', str(port), '-P', str(STREAMS), '-t', '1',
                  '-y', 'C']
        sent = iperf_rows(run.tool(client) if modes[1] == 'native' else run.program(client))
        # The server writes a stream's line when it has read the end of it.
        def arrived():
            with open(out) as f:
                return iperf_rows(f.read())
        wait_until(lambda: arrived()[0] >= STREAMS)
        same = arrived() == sent
        probe = run.tool(['iperf', '-c', lib.HOST, '-p', str(port), '-n', '1M'])
        status = run.end(server)
        if not same:
            raise Failure('iperf sent (streams, bytes) %s, arrived %s' % (sent, arrived()))
        return '%d streams, all bytes arrived; again %s; status %d' % (
            sent[0], 'sec' in probe, status)
    return scenario


for _server, _client in (('test', 'native'), ('native', 'test'), ('test', 'test')):
    program('iperf-%s' % {('test', 'native'): 'server', ('native', 'test'): 'client',
                          ('test', 'test'): 'both'}[_server, _client],
            'iperf', noise=r'read tcp flags')(iperf(_server, _client))
