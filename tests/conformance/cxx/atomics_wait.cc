/* C++20: atomic wait/notify, counting_semaphore, latch, barrier. */
#include "testlib.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <semaphore>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int test_main(void)
{
    std::atomic<int> value{0};
    std::atomic<long> wide{0};
    std::vector<std::thread> threads;

    /* turns handed round through one atomic int and one atomic long */
    for (int self = 0; self < 3; self++)
        threads.emplace_back([&value, &wide, self] {
            for (int i = 0; i < 100; i++) {
                for (int now = value; now % 3 != self; now = value)
                    value.wait(now);
                value++;
                wide++;
                value.notify_all();
                wide.notify_all();
            }
        });
    for (long now = wide; now < 300; now = wide)
        wide.wait(now);
    for (auto &thread : threads)
        thread.join();
    CHECK_EQ(value, 300);

    std::counting_semaphore<10> semaphore(2);
    std::atomic<int> inside{0}, peak{0};
    threads.clear();
    for (int i = 0; i < 10; i++)
        threads.emplace_back([&] {
            semaphore.acquire();
            int now = ++inside;
            if (now > peak)
                peak = now;
            std::this_thread::sleep_for(1ms);
            --inside;
            semaphore.release();
        });
    for (auto &thread : threads)
        thread.join();
    CHECK_LE(peak, 2);
    semaphore.acquire();
    semaphore.acquire();
    CHECK(!semaphore.try_acquire());
    TAKES(40, CHECK(!semaphore.try_acquire_for(40ms)));

    std::latch latch(5);
    std::atomic<int> arrived{0};
    std::vector<std::jthread> five;
    for (int i = 0; i < 5; i++)
        five.emplace_back([&, i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(i));
            arrived++;
            latch.arrive_and_wait();
            CHECK_EQ(arrived, 5);
        });
    latch.wait();
    CHECK_EQ(arrived, 5);
    five.clear();

    int completions = 0;
    std::barrier barrier(4, [&completions]() noexcept { completions++; });
    for (int i = 0; i < 4; i++)
        five.emplace_back([&] {
            for (int round = 0; round < 20; round++) {
                std::this_thread::sleep_for(200us);
                barrier.arrive_and_wait();
            }
        });
    five.clear();
    CHECK_EQ(completions, 20);

    std::binary_semaphore ping(1), pong(0);
    std::jthread partner([&] {
        for (int i = 0; i < 200; i++) {
            ping.acquire();
            pong.release();
        }
    });
    for (int i = 0; i < 200; i++) {
        pong.acquire();
        ping.release();
    }
    return 0;
}
