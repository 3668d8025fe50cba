/* Exceptions in flight across blocking calls in many threads; cleanup runs on pthread_exit;
   current_exception and uncaught_exceptions are per thread. */
#include "testlib.h"

#include <atomic>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> unwound{0};

struct Blocks {
    int want;
    ~Blocks()
    {
        CHECK_EQ(std::uncaught_exceptions(), want);
        usleep(300);
        CHECK_EQ(std::uncaught_exceptions(), want);
        unwound++;
    }
};

static void throws(int n)
{
    Blocks guard{1};
    throw std::runtime_error(std::to_string(n));
}

static void body(int n)
{
    for (int i = 0; i < 20; i++) {
        try {
            throws(n * 100 + i);
            CHECK(!"reached");
        } catch (const std::runtime_error &error) {
            usleep(300); /* others throw meanwhile */
            CHECK_EQ(std::stoi(error.what()), n * 100 + i);
            try {
                try {
                    throw n;
                } catch (int inner) {
                    usleep(100);
                    CHECK_EQ(inner, n);
                    throw;
                }
            } catch (int outer) {
                CHECK_EQ(outer, n);
            }
            std::exception_ptr saved = std::current_exception();
            usleep(200);
            try {
                std::rethrow_exception(saved);
            } catch (const std::exception &again) {
                CHECK_EQ(std::stoi(again.what()), n * 100 + i);
            }
        }
        CHECK(!std::current_exception());
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
}

static void *exits(void *arg)
{
    Blocks guard{1}; /* the rethrow below counts */
    try {
        pthread_exit(arg);
    } catch (const std::exception &) {
        CHECK(!"a thread exit is no std::exception");
    } catch (...) {
        unwound += 1000;
        throw;
    }
    return nullptr;
}

int test_main(void)
{
    std::vector<std::thread> threads;

    for (int i = 1; i <= 10; i++)
        threads.emplace_back(body, i);
    for (auto &thread : threads)
        thread.join();
    CHECK_EQ(unwound, 200);
    CHECK(finish(start(exits, &threads)) == &threads);
    CHECK_GE(unwound, 1200);
    return 0;
}
