/* thread_local objects: constructed on first use per thread, destroyed at its end in reverse
   order, with destructors that block, by return and by pthread_exit. */
#include "testlib.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made{0}, gone{0}, order_bad{0};

struct Counted {
    int id;
    std::string text;
    Counted() : id(++made), text("counted, and longer than the small string buffer")
    {
    }
    ~Counted()
    {
        usleep(500); /* blocks */
        if (text.size() != 48)
            order_bad++;
        gone++;
    }
};

struct First {
    int marker = 1;
    ~First()
    {
        marker = 0;
    }
};

static thread_local First first;

struct Second {
    First &uses;
    Second() : uses(first)
    {
    }
    ~Second()
    {
        if (uses.marker != 1)
            order_bad++;
    }
};

static thread_local Counted counted;
static thread_local Second second;
static thread_local std::unique_ptr<std::string> owned;
static thread_local std::vector<int> list{1, 2, 3};

static void use(int n)
{
    CHECK_EQ(counted.text.size(), 48);
    CHECK_EQ(second.uses.marker, 1);
    CHECK_EQ(list.size(), 3);
    owned = std::make_unique<std::string>("thread " + std::to_string(n));
    for (int i = 0; i < n % 10; i++) {
        list.push_back(i);
        usleep(300);
    }
    CHECK_EQ(list.size(), 3 + n % 10);
    CHECK_STR(owned->c_str(), ("thread " + std::to_string(n)).c_str());
}

static void *exits(void *arg)
{
    use(4);
    pthread_exit(arg);
}

static void *unused(void *arg)
{
    usleep(300);
    return arg;
}

int test_main(void)
{
    for (int round = 1; round <= 4; round++) {
        std::vector<std::thread> threads;

        for (int i = 0; i < 20; i++)
            threads.emplace_back(use, i);
        for (auto &thread : threads)
            thread.join();
        CHECK_EQ(made, round * 20);
        CHECK_EQ(gone, round * 20);
    }
    finish(start(exits, nullptr));
    CHECK_EQ(made, 81);
    CHECK_EQ(gone, 81);
    finish(start(unused, nullptr));
    CHECK_EQ(made, gone);
    CHECK_EQ(order_bad, 0);
    return 0;
}
