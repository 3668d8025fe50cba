"""100 children from 8 threads: pipes both ways, exit statuses, a shell, a timeout, a fork."""

import os
import subprocess
import sys
import threading

totals = []
statuses = []
lock = threading.Lock()


def work(number):
    for i in range(number, 100, 8):
        done = subprocess.run(['/bin/cat'], input=str(i), capture_output=True, text=True)
        code = subprocess.run(['/bin/sh', '-c', 'exit %d' % (i % 7)]).returncode
        with lock:
            totals.append(int(done.stdout))
            statuses.append((i, code))


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sum(totals), sorted(statuses) == [(i, i % 7) for i in range(100)])

print(subprocess.getoutput('echo one | tr a-z A-Z; seq 3 | wc -l'))
try:
    subprocess.run(['/bin/sleep', '60'], timeout=0.1)
except subprocess.TimeoutExpired:
    print('timeout')
killed = subprocess.Popen(['/bin/sleep', '60'])
killed.terminate()
print(killed.wait(), os.system('exit 3') >> 8)


def forked():
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        t = threading.Thread(target=os.write, args=(w, b'from a thread of the child'))
        t.start()
        t.join()
        os._exit(5)
    os.close(w)
    text = os.read(r, 100)
    print(text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


t = threading.Thread(target=forked)
t.start()
t.join()
sys.exit(4)
