/*
 * Standard C++ threads: a pipeline of queues, async results, exceptions that cross threads,
 * thread_local destructors, shared locks, and timed waits.  Prints one line per part.
 */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <queue>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

template <typename T> class Channel
{
  public:
    explicit Channel(std::size_t room) : room_(room)
    {
    }

    void put(T value)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        not_full_.wait(lock, [this] { return items_.size() < room_; });
        items_.push(std::move(value));
        not_empty_.notify_one();
    }

    void close()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
        not_empty_.notify_all();
    }

    std::optional<T> get()
    {
        std::unique_lock<std::mutex> lock(mutex_);
        not_empty_.wait(lock, [this] { return !items_.empty() || closed_; });
        if (items_.empty()) {
            return std::nullopt;
        }
        T value = std::move(items_.front());
        items_.pop();
        not_full_.notify_one();
        return value;
    }

  private:
    std::mutex mutex_;
    std::condition_variable not_full_;
    std::condition_variable not_empty_;
    std::queue<T> items_;
    std::size_t room_;
    bool closed_ = false;
};

static std::atomic<int> alive{0};

struct Counted {
    Counted()
    {
        alive++;
    }
    ~Counted()
    {
        std::this_thread::sleep_for(1ms);
        alive--;
    }
    long sum = 0;
};

static thread_local Counted mine;

static void pipeline()
{
    Channel<long> numbers(4);
    Channel<long> squares(4);
    std::vector<std::thread> workers;
    for (int i = 0; i < 8; i++) {
        workers.emplace_back([&] {
            while (auto n = numbers.get()) {
                mine.sum += *n;
                squares.put(*n * *n);
            }
        });
    }
    std::thread feeder([&] {
        for (long n = 1; n <= 2000; n++) {
            numbers.put(n);
        }
        numbers.close();
    });
    long total = 0;
    std::thread drain([&] {
        while (auto n = squares.get()) {
            total += *n;
        }
    });
    feeder.join();
    for (auto &w : workers) {
        w.join();
    }
    squares.close();
    drain.join();
    std::cout << "pipeline " << total << " thread_local alive " << alive << "\n";
}

static void asynchronous()
{
    std::vector<std::future<int>> results;
    for (int i = 0; i < 40; i++) {
        results.push_back(std::async(std::launch::async, [i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
            if (i % 10 == 9) {
                throw std::runtime_error("no " + std::to_string(i));
            }
            return i * i;
        }));
    }
    int sum = 0;
    std::string errors;
    for (auto &r : results) {
        try {
            sum += r.get();
        } catch (const std::runtime_error &e) {
            errors += e.what();
            errors += ' ';
        }
    }
    std::cout << "async " << sum << " " << errors << "\n";
}

static void shared_lock()
{
    std::shared_mutex lock;
    std::map<int, int> table;
    std::vector<std::thread> threads;
    std::atomic<int> torn{0};
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&, i] {
            for (int n = 0; n < 200; n++) {
                std::unique_lock<std::shared_mutex> hold(lock);
                table[n]++;
                if (n % 50 == i) {
                    std::this_thread::yield();
                }
            }
        });
        threads.emplace_back([&] {
            for (int n = 0; n < 200; n++) {
                std::shared_lock<std::shared_mutex> hold(lock);
                auto before = table.size();
                std::this_thread::yield();
                torn += before != table.size();
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    int sum = std::accumulate(table.begin(), table.end(), 0,
                              [](int s, const auto &p) { return s + p.second; });
    std::cout << "shared " << table.size() << " " << sum << " torn " << torn << "\n";
}

static void timed()
{
    std::mutex mutex;
    std::condition_variable cond;
    std::timed_mutex held;
    held.lock();
    std::unique_lock<std::mutex> lock(mutex);
    auto start = std::chrono::steady_clock::now();
    auto status = cond.wait_for(lock, 30ms);
    bool late = std::chrono::steady_clock::now() - start >= 30ms;
    bool got = true;
    std::thread([&] { got = held.try_lock_for(20ms); }).join();
    held.unlock();
    std::promise<std::string> promise;
    auto future = promise.get_future();
    bool pending = future.wait_for(5ms) == std::future_status::timeout;
    std::thread([&] { promise.set_value("kept"); }).join();
    std::cout << "timed " << (status == std::cv_status::timeout) << late << got << pending << " "
              << future.get() << "\n";
}

static void once_and_static()
{
    static std::atomic<int> made{0};
    struct Slow {
        Slow()
        {
            std::this_thread::sleep_for(10ms);
            made++;
        }
    };
    std::once_flag flag;
    std::atomic<int> calls{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; i++) {
        threads.emplace_back([&] {
            static Slow slow;
            (void)slow;
            std::call_once(flag, [&] {
                std::this_thread::sleep_for(5ms);
                calls++;
            });
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    std::cout << "once " << made << " " << calls << "\n";
}

static void many()
{
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::condition_variable cond;
    bool go = false;
    long sum = 0;
    for (int i = 0; i < 500; i++) {
        threads.emplace_back([&, i] {
            std::ostringstream text;
            text << i;
            std::unique_lock<std::mutex> lock(mutex);
            cond.wait(lock, [&] { return go; });
            sum += std::stol(text.str());
        });
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        go = true;
    }
    cond.notify_all();
    for (auto &t : threads) {
        t.join();
    }
    std::cout << "many " << sum << "\n";
}

int main()
{
    pipeline();
    asynchronous();
    shared_lock();
    timed();
    once_and_static();
    many();
    return 0;
}
