"""gdb script: a backtrace of every green thread of a stopped process.

    gdb -p PID -batch -x tests/lib/greens_gdb.py
    (gdb) source tests/lib/greens_gdb.py
    (gdb) greens                  list and backtraces
    (gdb) greens list             list only

A parked green is unwound from the frame its context switch left: registers are set for the time of
its backtrace and put back. Needs the debug information of libgreenshim.so.
"""

import gdb

MACHINES = {
    "x86_64": ("rip", "rsp", []),
    "aarch64": ("pc", "sp", []),
}


def container(node, kind, member):
    """The struct that holds this list node."""
    struct = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in struct.fields() if f.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(struct.pointer())


def list_of(head, kind, member, limit):
    """Walk a circular list, at most limit entries."""
    node = head["next"]
    while int(node) != int(head.address) and limit > 0:
        yield container(node, kind, member)
        node = node["next"]
        limit -= 1


def hubs():
    """Every hub of the process."""
    symbol = gdb.lookup_global_symbol("gr_hubs") or gdb.lookup_static_symbol("hubs")
    found = []
    if symbol is not None:
        hub = symbol.value()
        while int(hub) != 0 and len(found) < 64:
            found.append(hub)
            hub = hub["next"]
    if not found:
        here = gdb.parse_and_eval("gr_hub_self")
        if int(here) != 0:
            found.append(here)
    return found


def enum_name(value):
    text = str(value)
    return text[3:].lower() if text.startswith("GR_") else text


def why_name(green):
    try:
        return enum_name(green["why"].cast(gdb.lookup_type("enum gr_why")))
    except gdb.error:
        return str(int(green["why"]))


class Greens(gdb.Command):
    """greens [list] [N]: green threads and their backtraces, at most N (default 40)."""

    def __init__(self):
        super().__init__("greens", gdb.COMMAND_STACK)

    def backtrace(self, green):
        frame = gdb.newest_frame()
        arch = frame.architecture().name()
        machine = MACHINES["aarch64" if "aarch64" in arch else "x86_64"]
        resumed = int(gdb.parse_and_eval("(long)&gr_ctx_resumed"))
        registers = [machine[0], machine[1]]
        saved = [int(gdb.parse_and_eval(f"(unsigned long)${r}")) for r in registers]
        try:
            gdb.execute(f"set ${machine[1]} = {int(green['ctx']['sp'])}")
            gdb.execute(f"set ${machine[0]} = {resumed}")
            gdb.execute("bt 30")
        except gdb.error as error:
            gdb.write(f"  {error}\n")
        finally:
            gdb.execute(f"set ${machine[1]} = {saved[1]}")
            gdb.execute(f"set ${machine[0]} = {saved[0]}")

    def invoke(self, argument, from_tty):
        words = argument.split()
        limit = next((int(w) for w in words if w.isdigit()), 40)
        for hub in hubs():
            gdb.write(f"hub {hub}: {int(hub['n_greens'])} greens, current {hub['current']}, "
                      f"switches {int(hub['switches'])}\n")
            for green in list_of(hub["all"], "struct green", "all", limit):
                name = green["name"].string(errors="replace") if green["name"][0] else ""
                gdb.write(f"\ngreen {int(green['id'])} {name} {enum_name(green['state'])}"
                          f" why {why_name(green)} on {green['why_arg']} fn {green['fn']}\n")
                if "list" in words:
                    continue
                if int(green) == int(hub["current"]):
                    gdb.execute("bt 30")
                else:
                    self.backtrace(green)


Greens()

try:
    gdb.execute("frame 0", to_string=True)
    gdb.execute("greens")
except gdb.error as problem:
    gdb.write(f"greens: {problem}\n")
