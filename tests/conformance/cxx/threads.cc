/* std::thread, jthread, async, promise: values, exceptions, stop tokens. */
#include "testlib.h"

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static int work(int n)
{
    std::this_thread::sleep_for(1ms);
    if (n % 5 == 0)
        throw std::runtime_error("n is " + std::to_string(n));
    return n * n;
}

int test_main(void)
{
    std::vector<std::thread> threads;
    std::atomic<int> sum{0};

    for (int i = 0; i < 50; i++)
        threads.emplace_back([&sum, i] {
            std::this_thread::yield();
            std::this_thread::sleep_for(std::chrono::microseconds(i * 20));
            sum += i;
        });
    for (auto &thread : threads) {
        CHECK(thread.joinable());
        thread.join();
        CHECK(!thread.joinable());
    }
    CHECK_EQ(sum, 1225);

    std::vector<std::future<int>> futures;
    for (int i = 0; i < 50; i++)
        futures.push_back(std::async(std::launch::async, work, i));
    for (int i = 0; i < 50; i++) {
        try {
            CHECK_EQ(futures[i].get(), i * i);
            CHECK(i % 5 != 0);
        } catch (const std::runtime_error &error) {
            CHECK_EQ(i % 5, 0);
            CHECK_STR(error.what(), ("n is " + std::to_string(i)).c_str());
        }
    }

    std::promise<std::string> promise;
    auto future = promise.get_future();
    TAKES(40, CHECK(future.wait_for(40ms) == std::future_status::timeout));
    std::thread teller([&promise] {
        std::this_thread::sleep_for(5ms);
        promise.set_value_at_thread_exit("told");
    });
    CHECK_STR(future.get().c_str(), "told");
    teller.join();

    int turns = 0;
    {
        std::jthread looper([&turns](std::stop_token stop) {
            while (!stop.stop_requested()) {
                turns++;
                std::this_thread::sleep_for(1ms);
            }
            turns += 1000;
        });
        std::this_thread::sleep_for(30ms);
    }
    CHECK_GE(turns, 1001);

    std::thread::id main_id = std::this_thread::get_id();
    std::thread other([main_id] { CHECK(std::this_thread::get_id() != main_id); });
    other.join();
    TAKES(50, std::this_thread::sleep_until(std::chrono::steady_clock::now() + 50ms));
    CHECK_GE(std::thread::hardware_concurrency(), 1);
    return 0;
}
