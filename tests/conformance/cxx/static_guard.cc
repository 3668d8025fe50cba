/* A function-local static whose initialiser sleeps: one construction, all others wait for it. */
#include "testlib.h"

#include <stdexcept>
#include <thread>
#include <vector>

static int constructed, failures;

struct Slow {
    int value = 0;
    Slow()
    {
        usleep(30000);
        constructed++;
        value = 7;
    }
};

struct FailsTwice {
    FailsTwice()
    {
        usleep(1000);
        if (failures++ < 2)
            throw std::runtime_error("not yet");
    }
};

static Slow &slow()
{
    static Slow instance;
    return instance;
}

static void failing()
{
    for (;;) {
        try {
            static FailsTwice instance;
            return;
        } catch (const std::runtime_error &) {
            usleep(100);
        }
    }
}

int test_main(void)
{
    std::vector<std::thread> threads;

    for (int i = 0; i < 20; i++)
        threads.emplace_back([] {
            CHECK_EQ(slow().value, 7);
            failing();
            CHECK_EQ(failures, 3);
        });
    for (auto &thread : threads)
        thread.join();
    CHECK_EQ(constructed, 1);
    CHECK_EQ(failures, 3);
    return 0;
}
