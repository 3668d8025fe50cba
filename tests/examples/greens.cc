// The interface from C++: destructors run when a greenlet fails, exits or is killed.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/object.h>
#include <green/queue.h>
#include <green/timeout.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace
{

class Guard
{
  public:
    explicit Guard(std::string name) : name_(std::move(name))
    {
    }
    ~Guard()
    {
        std::printf("  ~%s\n", name_.c_str());
    }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;

  private:
    std::string name_;
};

using Greenlet = std::unique_ptr<greenlet, void (*)(greenlet *)>;

Greenlet spawn(void *(*fn)(void *), void *arg = nullptr)
{
    greenlet *g = nullptr;
    int rc = green_spawn(fn, arg, &g);
    if (rc)
        throw std::runtime_error(std::strerror(-rc));
    return Greenlet(g, green_unref);
}

void join(const char *what, const Greenlet &g)
{
    green_join(g.get(), GREEN_FOREVER);
    std::printf("%s: successful %d\n", what, green_successful(g.get()));
}

void *fail(void *)
{
    Guard outer("outer");
    [] {
        Guard inner("inner");
        green_fail(-EIO, "from the inside", nullptr);
    }();
    return nullptr;
}

void *leave(void *)
{
    Guard guard("left");
    green_exit(nullptr);
}

// A wait that is interrupted says so; from there on it is C++'s to throw.
void *throw_when_killed(void *)
{
    try {
        Guard guard("killed");
        int rc = green_sleep(GREEN_FOREVER);
        if (rc)
            throw std::runtime_error(std::strerror(-rc));
    } catch (const std::exception &e) {
        std::printf("  caught: %s\n", e.what());
    }
    return nullptr;
}

// Exceptions stay in their greenlet, also when others throw between throw and catch.
void *throw_in_turn(void *)
{
    for (int i = 0; i < 3; i++) {
        try {
            throw i;
        } catch (int n) {
            green_sleep(0);
            if (n != i)
                std::printf("  %d is somebody else's\n", n);
        }
    }
    return nullptr;
}

void *try_it(void *)
{
    struct green_error *error = nullptr;
    int rc = green_try(fail, nullptr, nullptr, &error);
    std::printf("  caught: %s, %s\n", std::strerror(-rc), error->message);
    green_error_free(error);
    return nullptr;
}

void report(greenlet *, const struct green_error *e)
{
    std::printf("  report: %s\n", e->message);
}

} // namespace

int main()
{
    green_set_error_handler(report);
    join("fail", spawn(fail));
    join("exit", spawn(leave));
    join("try", spawn(try_it));

    Greenlet sleeper = spawn(throw_when_killed);
    green_sleep(0);
    green_kill(sleeper.get(), 0, GREEN_FOREVER);
    join("kill", sleeper);

    Greenlet one = spawn(throw_in_turn), two = spawn(throw_in_turn);
    join("one", one);
    join("two", two);

    GREEN_TIMEOUT(t, GREEN_MS(5))
    {
        Guard guard("scope");
        if (usleep(30000000) < 0)
            std::printf("timeout: %d, %s\n", green_timeout_fired(t), std::strerror(errno));
    }
    return 0;
}
