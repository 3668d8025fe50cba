"""How greenrun starts a program, its options, and where it finds the library."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

from harness import (BUILD, LIBRARY, TIMEOUT, TOP, Skip, accepted, clean_environment, equal,
                     lines, real, refused, test)


@test
def starts_the_program_itself(p):
    command = [p.greenrun, p.show, "a b", "", "--stats", "--", "c"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment({})) as child:
        out = child.communicate(timeout=TIMEOUT)[0]
    equal(lines(out, "pid"), [str(child.pid)], "pid")
    equal(lines(out, "arg"), command[1:], "arguments")
    equal(lines(out, "env"), [f"LD_PRELOAD={p.library}"], "environment")
    equal(lines(out, "loaded"), ["1"], "library loaded")
    equal(child.returncode, 0, "exit status")


@test
def keeps_name_found_in_path(p):
    result = p.run("show", "x", env={"PATH": f"/nonexistent:{p.root}"})
    equal(lines(result.stdout, "arg"), ["show", "x"], "argv[0] is the name as given")


@test
def descriptors_are_those_of_the_caller(p):
    with tempfile.TemporaryFile() as extra:
        os.dup2(extra.fileno(), 57, inheritable=True)
        result = p.run("--", p.show, pass_fds=(57,))
        os.close(57)
    equal(lines(result.stdout, "fd"), ["0", "1", "2", "57"], "open descriptors")


@test
def standard_streams_are_untouched(p):
    data = os.urandom(1 << 20)
    result = p.run("cat", input=data)
    equal(result.stdout == data, True, "a megabyte through cat")
    equal(result.stderr, b"", "standard error")


@test
def exit_status_is_the_programs(p):
    for status in (0, 1, 37, 126, 255):
        equal(p.run("sh", "-c", f"exit {status}").returncode, status, "status")


@test
def death_by_signal_is_the_programs(p):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1):
        result = p.run("sh", "-c", f"kill -{int(number)} $$")
        equal(result.returncode, -number, "status")


@test
def signals_sent_to_the_pid_reach_the_program(p):
    with subprocess.Popen([p.greenrun, "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do "
                           "sleep 0.05; done"], stdout=subprocess.PIPE) as child:
        equal(child.stdout.readline(), b"up\n", "first line")
        child.terminate()
        equal(child.wait(timeout=TIMEOUT), 9, "status of the handler")


@test
def signal_mask_and_dispositions_are_inherited(p):
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    native = subprocess.run([p.show], preexec_fn=prepare, capture_output=True, timeout=TIMEOUT,
                            check=True)
    result = p.run(p.show, preexec_fn=prepare)
    equal(lines(result.stdout, "status"), lines(native.stdout, "status"), "/proc/self/status")


@test
def other_preloads_stay_before_ours(p):
    other = p.compile("int other;", p.path("libother.so"), "-shared", "-fPIC")
    result = p.run(p.show, env={"LD_PRELOAD": other})
    equal(lines(result.stdout, "env"), [f"LD_PRELOAD={other}:{p.library}"], "LD_PRELOAD")
    equal(result.stderr, b"", "standard error")


# ------------------------------------------------------------------ options

@test
def options_set_their_variables(p):
    cases = [(["--stack-size", "64K"], "GREENSHIM_STACK_SIZE=64K"),
             (["--stack-size=1M"], "GREENSHIM_STACK_SIZE=1M"),
             (["--no-deep"], "GREENSHIM_DEEP=0"),
             (["--no-follow"], "GREENSHIM_FOLLOW=0"),
             (["--stats"], "GREENSHIM_STATS=1"),
             (["--check-blocking"], "GREENSHIM_CHECK_BLOCKING=on"),
             (["--check-blocking=25"], "GREENSHIM_CHECK_BLOCKING=25"),
             (["--max-greens", "500"], "GREENSHIM_MAX_GREENS=500"),
             (["--verbose"], "GREENSHIM_VERBOSE=1"),
             (["--verbose", "--verbose"], "GREENSHIM_VERBOSE=2"),
             (["--verbose=3"], "GREENSHIM_VERBOSE=3")]
    for options, expected in cases:
        result = p.run(*options, p.show)
        equal(lines(result.stdout, "env")[-1], expected, f"{options}")
        equal(lines(result.stdout, "arg"), [p.show], f"{options}: arguments")


@test
def option_wins_over_variable(p):
    result = p.run("--stack-size", "64K", p.show, env={"GREENSHIM_STACK_SIZE": "1M"})
    equal([l for l in lines(result.stdout, "env") if "STACK" in l],
          ["GREENSHIM_STACK_SIZE=64K"], "variable")


@test
def variables_of_the_caller_pass_through(p):
    env = {"GREENSHIM": "off", "GREENSHIM_VERBOSE": "2", "GREENSHIM_TLS": "clone"}
    seen = lines(p.run(p.show, env=env).stdout, "env")
    for name, value in env.items():
        if f"{name}={value}" not in seen:
            raise AssertionError(f"{name} is missing in {seen}")


@test
def bad_options_exit_2(p):
    cases = [["--nosuch"], ["--stack-size"], ["--stack-size", "abc"], ["--stack-size", "12"],
             ["--stack-size", "1T"], ["--stack-size", "-1"], ["--stack-size=99999999999999999999"],
             ["--max-greens", "0"], ["--max-greens", "1x"], ["--verbose=9"], ["--verbose=x"],
             ["--check-blocking=soon"], ["--check-blocking=60001"], ["--check-blocking=5ms"],
             ["--check-blocking="], ["--stats=1"], ["--no-deep=1"], ["-x"]]
    for options in cases:
        more = [] if options == ["--stack-size"] else [p.show]
        refused(p.run(*options, *more), 2, options[0].split("=")[0])


@test
def bad_variables_exit_2(p):
    for name, value in [("GREENSHIM", "maybe"), ("GREENSHIM_STACK_SIZE", "1"),
                        ("GREENSHIM_DEEP", "2"), ("GREENSHIM_FOLLOW", "x"),
                        ("GREENSHIM_STATS", "yes"), ("GREENSHIM_VERBOSE", "4"),
                        ("GREENSHIM_CHECK_BLOCKING", "-1"),
                        ("GREENSHIM_MAX_GREENS", "-5"), ("GREENSHIM_TLS", "magic")]:
        refused(p.run(p.show, env={name: value}), 2, name, value)


@test
def empty_variables_are_as_unset(p):
    equal(p.run("true", env={"GREENSHIM_STACK_SIZE": "", "LD_PRELOAD": ""}).returncode, 0)


@test
def no_program_exits_2(p):
    refused(p.run(), 2, "--help")
    refused(p.run("--stats", "--"), 2, "--help")


@test
def help_and_version_go_to_standard_output(p):
    for option, word in (("--help", b"usage: greenrun"), ("--version", b"greenrun ")):
        result = p.run(option)
        equal((result.returncode, result.stderr), (0, b""), option)
        equal(result.stdout.startswith(word), True, option)


@test
def manual_and_help_name_the_same_options(p):
    with open(os.path.join(TOP, "tools", "greenrun.1"), encoding="ascii") as f:
        manual = f.read().replace("\\-", "-")
    text = p.run("--help").stdout.decode()
    options = set(re.findall(r"--[a-z][a-z-]*", text))
    equal(options - set(re.findall(r"--[a-z][a-z-]*", manual)), set(), "not in the manual")
    variables = set(re.findall(r"GREENSHIM[A-Z_]*", text))
    equal(variables, set(re.findall(r"GREENSHIM[A-Z_]*", manual)), "variables")


@test
def print_env_is_what_a_shell_needs(p):
    odd = p.compile("int other;", p.path("it's$(a)\\\"lib\".so"), "-shared", "-fPIC")
    env = {"LD_PRELOAD": odd}
    printed = p.run("--print-env", "--stack-size", "64K", "--no-deep", env=env)
    equal((printed.returncode, printed.stderr), (0, b""), "print-env")
    script = printed.stdout.decode() + 'printf "%s|%s|%s" "$LD_PRELOAD" ' \
        '"$GREENSHIM_STACK_SIZE" "$GREENSHIM_DEEP"'
    out = subprocess.run(["sh", "-c", script], capture_output=True, timeout=TIMEOUT,
                         check=True, env=clean_environment({})).stdout.decode()
    equal(out, f"{odd}:{p.library}|64K|0", "values in the shell")
    plain = p.run("--print-env", "--stats").stdout.decode()
    equal(plain, f"LD_PRELOAD={p.library}\nGREENSHIM_STATS=1\n", "without quotes")


@test
def print_env_checks_a_program(p):
    refused(p.run("--print-env", "nosuch-program"), 127, "nosuch-program")
    equal(p.run("--print-env", p.show).returncode, 0, "good program")


@test
def check_starts_nothing(p):
    accepted(p.run("--check", p.show))
    accepted(p.run("--check", "sh", "-c", "exit 5"))


# ------------------------------------------------------------------ finding the library

@test
def library_is_found_by_place(p):
    machine = os.uname().machine
    for where in ("lib", f"lib/{machine}-linux-gnu"):
        prefix = tempfile.mkdtemp(dir=p.root)
        os.makedirs(os.path.join(prefix, "bin"))
        os.makedirs(os.path.join(prefix, where))
        greenrun = shutil.copy(p.greenrun, os.path.join(prefix, "bin"))
        library = shutil.copy(p.library, os.path.join(prefix, where))
        result = p.run(p.show, greenrun=greenrun)
        equal(lines(result.stdout, "env"), [f"LD_PRELOAD={library}"], where)
    link = p.path("link")
    os.symlink(p.greenrun, link)
    result = p.run(p.show, greenrun=link)
    equal(lines(result.stdout, "env"), [f"LD_PRELOAD={p.library}"], "through a symbolic link")


@test
def library_is_missing_or_cannot_be_named(p):
    alone = p.path("alone")
    os.mkdir(alone)
    greenrun = shutil.copy(p.greenrun, alone)
    text = p.run("--check", p.show, greenrun=greenrun).stderr.decode()
    libdir = re.search(r"\.\./lib or in (\S+);", text)
    if libdir is None:
        raise Skip("a libgreenshim.so is installed on this machine")
    refused(p.run(p.show, greenrun=greenrun), 72, "not found")
    spaced = p.path("a place")
    os.mkdir(spaced)
    shutil.copy(p.library, spaced)
    greenrun = shutil.copy(p.greenrun, spaced)
    refused(p.run(p.show, greenrun=greenrun), 72, "space")


# ------------------------------------------------------------------ the real library

@test
def real_library_runs_a_program(p):
    native = subprocess.run([p.show, "a"], capture_output=True, timeout=TIMEOUT, check=True)
    result = p.run(p.show, "a", greenrun=real(p))
    equal((result.returncode, result.stderr), (0, b""), "status and standard error")
    equal(lines(result.stdout, "arg"), lines(native.stdout, "arg"), "arguments")
    equal(lines(result.stdout, "status"), lines(native.stdout, "status"), "/proc/self/status")


@test
def real_library_off_is_native(p):
    native = subprocess.run([p.show], capture_output=True, timeout=TIMEOUT, check=True)
    result = p.run(p.show, greenrun=real(p), env={"GREENSHIM": "off"})
    equal(lines(result.stdout, "fd"), lines(native.stdout, "fd"), "descriptors")
    equal((result.returncode, result.stderr), (0, b""), "status and standard error")


@test
def children_follow_unless_told_not_to(p):
    command = f"{p.show}; {p.show}"
    result = p.run("sh", "-c", command, greenrun=real(p))
    preload = f"LD_PRELOAD={os.path.join(BUILD, LIBRARY)}"
    equal(lines(result.stdout, "env"), [preload] * 2, "children inherit")
    equal(lines(result.stdout, "loaded"), ["1", "1"], "children have the library")
    result = p.run("--no-follow", "sh", "-c", command, greenrun=real(p))
    equal([l for l in lines(result.stdout, "env") if l.startswith("LD_")], [], "not inherited")
    equal(lines(result.stdout, "loaded"), ["0", "0"], "children are without the library")
    other = p.compile("int other;", p.path("libother.so"), "-shared", "-fPIC")
    result = p.run("--no-follow", "sh", "-c", command, greenrun=real(p), env={"LD_PRELOAD": other})
    equal([l for l in lines(result.stdout, "env") if l.startswith("LD_")],
          [f"LD_PRELOAD={other}"] * 2, "the user's own preload stays")


@test
def greenrun_below_no_follow_starts_again(p):
    greenrun = real(p)
    result = p.run("--no-follow", "sh", "-c", f"{greenrun} {p.show}; exit 3", greenrun=greenrun)
    equal(lines(result.stdout, "loaded"), ["1"], "the inner program has the library")
    equal(result.returncode, 3, "outer status")
