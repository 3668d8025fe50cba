"""gdb's commands for green threads, of live processes and of core files.

    green list [N]              every green thread: state, what it waits for, function
    green bt N|all [FRAMES]     the backtrace of one, or of all
    green switch N              frames, locals and arguments of that one, until the program goes on
    green switch                back to the kernel thread

gdb loads this file by itself with libgreenshim.so, see greenshim(7); else
"source tools/greenshim-gdb.py". It needs the debug information of libgreenshim.so.

Registers are never changed: the frames of a parked green are shown as the callers of the kernel
thread's innermost frame.
"""

import contextlib
import re
import time

import gdb
from gdb.unwinder import Unwinder, register_unwinder

MOST_HUBS = 64
MOST_DESCRIPTORS = 8     # of one poll() that are listed
FRAMES = 40              # of a backtrace, unless asked for more
EVENTS = ("?", "read", "write", "read or write")


class Problem(gdb.GdbError):
    """What the user is told."""


# ---------------------------------------------------------------- what the library knows

def container(node, kind, member):
    """The struct that holds this list node."""
    struct = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in struct.fields() if f.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(struct.pointer())


def list_of(head, kind, member):
    """The elements of a circular list."""
    node = head["next"]
    try:
        while int(node) != int(head.address):
            after = node["next"]
            if not int(after):
                raise gdb.MemoryError
            yield container(node, kind, member)
            node = after
    except gdb.MemoryError as error:
        raise Problem("the core file lacks memory of green threads, as those of gdb's gcore do: "
                      "the kernel's own have it") from error


def hubs():
    symbol = gdb.lookup_static_symbol("hubs")
    if symbol is None:
        raise Problem("no libgreenshim.so with debug information here")
    found = []
    hub = symbol.value()
    while int(hub) and len(found) < MOST_HUBS:
        found.append(hub.dereference())
        hub = hub["next"]
    if not found:
        raise Problem("no green threads: the program has made no thread yet")
    return found


def greens():
    """Every green, with its hub, in the order in which they were made."""
    for hub in hubs():
        for green in list_of(hub["all"], "struct green", "all"):
            yield hub, green.dereference()


def find(number):
    for hub, green in greens():
        if int(green["id"]) == number:
            return hub, green
    raise Problem(f"there is no green thread {number}")


def is_running(hub, green):
    return int(hub["current"]) == int(green.address)


def word(enumerator):
    """GR_PARKED is "parked"."""
    return re.sub(r"^GR_(WHY_)?", "", str(enumerator)).lower()


def is_live():
    target = gdb.selected_inferior().connection
    return target is not None and target.type == "native"


# ---------------------------------------------------------------- what a green waits for

def symbolic(pointer):
    return str(pointer.cast(gdb.lookup_type("void").pointer()))


def by_tid(tid):
    """Whom a lock's owner field names."""
    if not tid:
        return "nobody"
    for _, green in greens():
        if int(green["tid"]) == tid:
            return f"green {int(green['id'])}"
    return f"kernel thread {tid}"


def child_behind(fd):
    """The process that a pidfd of a live process stands for, or None."""
    if is_live():
        with contextlib.suppress(OSError):
            with open(f"/proc/{gdb.selected_inferior().pid}/fdinfo/{fd}", encoding="ascii") as f:
                return next((int(line[4:]) for line in f if line.startswith("Pid:")), None)
    return None


def file_name(fd):
    child = child_behind(fd)
    return f"{fd} (process {child})" if child else str(fd)


def descriptor(green):
    file = green["why_arg"].cast(gdb.lookup_type("struct gr_fd").pointer())
    events = 0
    for link in list_of(file["waiters"], "struct gr_fdlink", "link"):
        if int(link["w"]["green"]) == int(green.address):
            events |= int(link["events"])
    return f"{file_name(int(file['fd']))} to {EVENTS[events & 3]}"


def descriptors(green):
    fdset = green["why_arg"].cast(gdb.lookup_type("struct gr_fdset").pointer())
    number = int(fdset["n"])
    some = [file_name(int(fdset["links"][i]["f"]["fd"]))
            for i in range(min(number, MOST_DESCRIPTORS))]
    return " ".join(some) + (f" and {number - len(some)} more" if number > len(some) else "")


def mutex(green):
    lock = green["why_arg"].cast(gdb.lookup_type("pthread_mutex_t").pointer())
    return f"{symbolic(lock)} held by {by_tid(int(lock['__data']['__owner']))}"


def rlock(green):
    lock = green["why_arg"].cast(gdb.lookup_type("struct green_rlock").pointer())
    return f"{symbolic(lock)} held by {by_tid(int(lock['owner']))}"


def joined(green):
    other = green["why_arg"].cast(gdb.lookup_type("struct green").pointer())
    return f"green {int(other['id'])}"


DETAILS = {"fd": descriptor, "poll": descriptors, "child": descriptors, "mutex": mutex,
           "rlock": rlock, "join": joined}


def wait_of(hub, green):
    """What a parked green waits for, in words."""
    reason = word(green["why"].cast(gdb.lookup_type("enum gr_why")))
    text = gdb.lookup_static_symbol("gr_why_names") or gdb.lookup_global_symbol("gr_why_names")
    name = text.value()[int(green["why"])].string() if text else reason
    try:
        if reason in DETAILS:
            name += " " + DETAILS[reason](green)
        elif int(green["why_arg"]):
            name += " " + symbolic(green["why_arg"])
    except gdb.MemoryError:
        name += " ?"
    index = int(green["heap_index"])
    if index >= 0 and is_live():
        deadline = int(hub["timers"]["nodes"][index]["key"])
        left = deadline - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        name += f", {left / 1e9:.3f} s left" if left > 0 else ", time is up"
    return name


def describe(hub, green):
    state = "running" if is_running(hub, green) else word(green["state"])
    name = green["name"].string(errors="replace")
    text = f"green {int(green['id'])} tid {int(green['tid'])}"
    text += f' "{name}" {state}' if name else f" {state}"
    if state == "parked":
        text += f": {wait_of(hub, green)}"
    elif state == "running":
        text += f" on kernel thread {int(hub['tid'])}"
    if int(green["fn"]):
        text += f", in {symbolic(green['fn'])}"
    return text


# ---------------------------------------------------------------- frames of a parked green

class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Parked(Unwinder):
    """Makes a parked green's frames the callers of the innermost frame of the chosen thread."""

    def __init__(self):
        super().__init__("greenshim")
        self.top = None          # (pc, sp) of the innermost frame
        self.context = None      # (pc, sp) of the green
        gdb.events.cont.connect(lambda event: self.forget())

    def forget(self):
        self.context = None

    def show(self, green):
        """Until forget(); the thread must be at its innermost frame."""
        frame = gdb.newest_frame()
        self.top = (frame.pc(), int(frame.read_register("sp")))
        resumed = int(gdb.parse_and_eval("(unsigned long)&gr_ctx_resumed"))
        self.context = (resumed, int(green["ctx"]["sp"]))
        gdb.invalidate_cached_frames()

    def hide(self):
        self.forget()
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.context is None:
            return None
        long = gdb.lookup_type("unsigned long")
        if (int(pending.read_register("pc").cast(long)),
                int(pending.read_register("sp").cast(long))) != self.top:
            return None
        # gdb takes a caller whose stack lies below for damage: no stack lies below 1.
        info = pending.create_unwind_info(FrameId(gdb.Value(1).cast(long),
                                                  gdb.Value(self.top[0]).cast(long)))
        pc, sp = ("pc", "sp") if "aarch64" in pending.architecture().name() else ("rip", "rsp")
        info.add_saved_register(pc, gdb.Value(self.context[0]).cast(long))
        info.add_saved_register(sp, gdb.Value(self.context[1]).cast(long))
        return info


PARKED = Parked()
register_unwinder(None, PARKED, replace=True)


def carrier(hub):
    for thread in gdb.selected_inferior().threads():
        if int(hub["tid"]) in thread.ptid[1:]:
            return thread
    raise Problem(f"kernel thread {int(hub['tid'])} is not there")


@contextlib.contextmanager
def place_kept():
    """What the user had selected is selected again."""
    thread = gdb.selected_thread()
    if thread is None:
        raise Problem("no process and no core file")
    frame = gdb.selected_frame()
    shown = PARKED.top, PARKED.context
    level = frame.level()
    try:
        yield
    finally:
        thread.switch()
        PARKED.top, PARKED.context = shown
        gdb.invalidate_cached_frames()
        gdb.execute(f"frame level {level}", to_string=True)


def backtrace(hub, green, frames):
    """The lines that gdb prints, of its own frames only."""
    with place_kept():
        if is_running(hub, green):
            PARKED.hide()
            carrier(hub).switch()
            return gdb.execute(f"backtrace {frames}", to_string=True)
        PARKED.hide()
        PARKED.show(green)
        text = gdb.execute(f"backtrace {frames + 1}", to_string=True)
    own = text[text.find("\n#1 ") + 1:] if "\n#1 " in text else "no frames\n"
    return re.sub(r"^#(\d+) +", lambda m: f"#{int(m[1]) - 1:<3}", own, flags=re.M)


# ---------------------------------------------------------------- commands

def number_in(words, default=None):
    if not words:
        return default
    if len(words) > 1 or not words[0].isdigit():
        raise Problem(f"not a number: {' '.join(words)}")
    return int(words[0])


class Green(gdb.Command):
    """Green threads of a program under greenshim.

green list [N]              all (or the first N): state, what each waits for, function
green bt N|all [FRAMES]     backtraces
green switch [N]            look at the frames of green thread N; without N, back"""

    def __init__(self):
        super().__init__("green", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class List(gdb.Command):
    """green list [N]: all green threads, or the first N: state, what each waits for, function."""

    def __init__(self):
        super().__init__("green list", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        limit = number_in(argument.split(), 1 << 32)
        for hub in hubs():
            gdb.write(f"kernel thread {int(hub['tid'])}: {int(hub['n_greens'])} green threads, "
                      f"{int(hub['switches'])} switches\n")
        for n, (hub, green) in enumerate(greens()):
            if n >= limit:
                break
            gdb.write(describe(hub, green) + "\n")


class Backtrace(gdb.Command):
    """green bt N|all [FRAMES]: the backtrace of green thread N, or of all, at most FRAMES each."""

    def __init__(self):
        super().__init__("green bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split()
        if not words:
            raise Problem("green bt N|all [FRAMES]")
        frames = number_in(words[1:], FRAMES)
        chosen = greens() if words[0] == "all" else [find(number_in(words[:1]))]
        for hub, green in chosen:
            gdb.write(describe(hub, green) + "\n" + backtrace(hub, green, frames) + "\n")


class Switch(gdb.Command):
    """green switch [N]: frames 1 and up are those of green thread N; frame 0 stays the kernel
thread's. Without N: back. It ends when the program goes on."""

    def __init__(self):
        super().__init__("green switch", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        number = number_in(argument.split())
        if gdb.selected_thread() is None:
            raise Problem("no process and no core file")
        if number is None:
            PARKED.hide()
            gdb.execute("frame 0")
            return
        hub, green = find(number)
        PARKED.hide()
        carrier(hub).switch()
        if not is_running(hub, green):
            PARKED.show(green)
        gdb.write(describe(hub, green) + "\n")
        gdb.execute("frame 0" if is_running(hub, green) else "frame 1")


Green()
List()
Backtrace()
Switch()
