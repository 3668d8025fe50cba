/* C++ streams on pipes: cin and cout over stdio and by themselves, fstreams on a FIFO wait while
   others run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <fstream>
#include <iostream>
#include <string>
#include <sys/stat.h>

static int in[2], out[2];

static void streams()
{
    pthread_t writer;
    std::string line;
    struct sink sink;
    int number = 0;

    pipe_pair(in);
    pipe_pair(out);
    SYS(dup2(in[0], 0));
    SYS(dup2(out[1], 1));
    SYS(close(out[1]));
    OTHERS_RUN(100, {
        writer = write_after(in[1], "a line\n42\n", 100);
        std::getline(std::cin, line);
    });
    finish(writer);
    CHECK_STR(line.c_str(), "a line");
    CHECK(std::cin >> number);
    CHECK_EQ(number, 42);
    size_t before = fill_fd(1);
    OTHERS_RUN(100, {
        sink_start(&sink, out[0], 100);
        for (int i = 0; i < 2000; i++)
            std::cout << "number " << i % 10 << std::endl;
    });
    SYS(dup2(2, 1));
    sink_finish(&sink);
    CHECK_EQ(sink.size, before + 2000 * 9);
    for (size_t i = 0; i < 2000; i++)
        CHECK_EQ(sink.data[before + i * 9 + 7], '0' + i % 10);
    free(sink.data);
    SYS(close(in[0]));
    SYS(close(in[1]));
}

static void *writes_fifo(void *arg)
{
    sleep_ms(60);
    std::ofstream file("fifo");
    CHECK(file.is_open());
    sleep_ms(60);
    file << "word " << 7 << '\n';
    return arg;
}

int test_main(void)
{
    int saved[2] = {(int)SYS(dup(0)), (int)SYS(dup(1))};
    pthread_t thread;
    std::string word;
    int number = 0;

    if (test_argc > 1) {
        std::ios::sync_with_stdio(false);
        streams();
        return 0;
    }
    streams();
    SYS(mkfifo("fifo", 0600));
    OTHERS_RUN(120, {
        thread = start(writes_fifo, nullptr);
        std::ifstream file("fifo");
        CHECK(file >> word >> number);
    });
    finish(thread);
    CHECK_STR(word.c_str(), "word");
    CHECK_EQ(number, 7);
    CHECK_EQ(run_self("unsynced", nullptr, 0), 0);
    SYS(dup2(saved[0], 0));
    SYS(dup2(saved[1], 1));
    return 0;
}
