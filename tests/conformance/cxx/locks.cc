/* std mutexes, condition variables (any too), shared_mutex, timed locks, call_once. */
#include "testlib.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::mutex mutex;
static std::condition_variable cond;
static std::shared_timed_mutex shared;
static std::timed_mutex timed;
static std::recursive_mutex recursive;
static std::condition_variable_any any;
static std::once_flag once;
static int queue[16], head, tail, once_calls;

static void produce(int count)
{
    for (int i = 1; i <= count; i++) {
        std::unique_lock lock(mutex);
        cond.wait(lock, [] { return tail - head < 16; });
        queue[tail++ % 16] = i;
        cond.notify_all();
    }
}

static long consume(int count)
{
    long sum = 0;
    for (int i = 0; i < count; i++) {
        std::unique_lock lock(mutex);
        cond.wait(lock, [] { return tail > head; });
        sum += queue[head++ % 16];
        cond.notify_all();
    }
    return sum;
}

static void init_with_retry(int n)
{
    try {
        std::call_once(once, [] {
            std::this_thread::sleep_for(3ms);
            once_calls++;
            if (once_calls < 3)
                throw std::runtime_error("again");
        });
    } catch (const std::runtime_error &) {
        init_with_retry(n);
    }
    CHECK_EQ(once_calls, 3);
}

int test_main(void)
{
    long sums[2] = {0, 0};
    std::vector<std::thread> threads;

    threads.emplace_back(produce, 500);
    threads.emplace_back(produce, 500);
    threads.emplace_back([&] { sums[0] = consume(500); });
    threads.emplace_back([&] { sums[1] = consume(500); });
    for (auto &thread : threads)
        thread.join();
    CHECK_EQ(sums[0] + sums[1], 2 * 125250);

    {
        std::unique_lock lock(mutex);
        TAKES(40, CHECK(!cond.wait_for(lock, 40ms, [] { return false; })));
        TAKES(39, CHECK(!cond.wait_until(lock, std::chrono::system_clock::now() + 40ms,
                                         [] { return false; })));
    }

    timed.lock();
    std::thread([] {
        TAKES(40, CHECK(!timed.try_lock_for(40ms)));
        CHECK(!timed.try_lock());
    }).join();
    timed.unlock();

    shared.lock_shared();
    std::thread([] {
        CHECK(shared.try_lock_shared());
        shared.unlock_shared();
        CHECK(!shared.try_lock());
        TAKES(40, CHECK(!shared.try_lock_for(40ms)));
    }).join();
    shared.unlock_shared();

    recursive.lock();
    recursive.lock();
    std::thread([] { CHECK(!recursive.try_lock()); }).join();
    recursive.unlock();
    recursive.unlock();

    bool flag = false;
    std::thread waiter([&] {
        std::unique_lock lock(shared);
        any.wait(lock, [&] { return flag; });
    });
    std::this_thread::sleep_for(5ms);
    {
        std::unique_lock lock(shared);
        flag = true;
    }
    any.notify_one();
    waiter.join();

    threads.clear();
    for (int i = 0; i < 10; i++)
        threads.emplace_back(init_with_retry, i);
    for (auto &thread : threads)
        thread.join();
    CHECK_EQ(once_calls, 3);

    std::mutex a, b;
    int both = 0;
    std::thread one([&] {
        for (int i = 0; i < 200; i++) {
            std::scoped_lock lock(a, b);
            both++;
        }
    });
    for (int i = 0; i < 200; i++) {
        std::scoped_lock lock(b, a);
        both++;
        std::this_thread::yield();
    }
    one.join();
    CHECK_EQ(both, 400);
    return 0;
}
