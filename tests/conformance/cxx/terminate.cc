/* An exception leaving a thread calls std::terminate: SIGABRT with the usual line. */
#include "testlib.h"

#include <signal.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>

static int child(const char *what)
{
    stay_quiet();
    std::thread thread([what] {
        usleep(1000);
        if (!strcmp(what, "throw"))
            throw std::runtime_error("leaves");
        std::set_terminate([] { _exit(42); });
        throw 1;
    });
    thread.join();
    return 0;
}

int test_main(void)
{
    if (test_argc > 1)
        return child(test_argv[1]);
    int status = run_self("throw", nullptr, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    status = run_self("handler", nullptr, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    return 0;
}
