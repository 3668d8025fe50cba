"""Thread pools of children: input both ways by communicate, statuses, timeouts, kills, chains."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading


def through_cat(i):
    """More than a pipe holds, both ways."""
    data = (b'%d ' % i) * 40000
    done = subprocess.run(['cat'], input=data, capture_output=True, check=True)
    return done.stdout == data and not done.stderr


def both_outputs(i):
    script = 'read -r n; seq $n; seq $n >&2; exit $((n % 50))'
    done = subprocess.run(['sh', '-c', script], input='%d\n' % (i * 20), capture_output=True,
                          text=True)
    return done.returncode, done.stdout == done.stderr, done.stdout.count('\n')


def too_slow(_):
    try:
        subprocess.run(['sh', '-c', 'echo begun; exec sleep 60'], timeout=0.2, capture_output=True)
    except subprocess.TimeoutExpired as e:
        return 'timeout %s' % e.timeout
    return 'no timeout'


def in_time(i):
    return subprocess.run(['sh', '-c', 'cat; exit 3'], input=b'x' * i, timeout=50,
                          stdout=subprocess.PIPE).returncode


def killed(i):
    child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.send_signal((signal.SIGTERM, signal.SIGKILL)[i % 2])
    return child.communicate(b'late')[0], child.wait()


def again_after_timeout(i):
    """communicate() gives up and goes on later, with what has come meanwhile."""
    go = 'go%d' % i
    child = subprocess.Popen(['sh', '-c', 'cat; until test -s %s; do sleep 0.01; done; cat %s'
                              % (go, go)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        child.communicate('%d\n' % i, timeout=0.1)
    except subprocess.TimeoutExpired:
        with open(go, 'w') as f:
            f.write('went on\n')
    return child.communicate()[0].split('\n')


def chain(i):
    first = subprocess.Popen(['seq', str(i * 100)], stdout=subprocess.PIPE)
    second = subprocess.Popen(['sort', '-rn'], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    third = subprocess.run(['head', '-1'], stdin=second.stdout, capture_output=True)
    second.stdout.close()
    second.wait()
    first.wait()
    return third.stdout


def in_session(_):
    child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, start_new_session=True)
    session = os.getsid(child.pid)
    child.communicate()
    return session == child.pid, child.returncode


def absent(_):
    try:
        subprocess.run(['/nonexistent/program'])
    except FileNotFoundError as e:
        return e.errno


KINDS = [(through_cat, 16), (both_outputs, 40), (too_slow, 6), (in_time, 16), (killed, 8),
         (again_after_timeout, 8), (chain, 12), (in_session, 6), (absent, 8)]

for kind, count in KINDS:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(kind.__name__, list(pool.map(kind, range(count))))

with concurrent.futures.ThreadPoolExecutor(16) as pool:
    futures = [pool.submit(kind, i) for i in range(4) for kind, _ in KINDS[:5]]
    print('mixed', [f.result() for f in futures])
print('threads left', threading.active_count())
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print('no child left')
sys.exit(5)
