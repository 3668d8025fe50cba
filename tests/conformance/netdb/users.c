/* getpwnam, getpwuid, getgrnam and their _r forms from many threads. */
#include "testlib.h"

#include <grp.h>
#include <pwd.h>

static void *body(void *arg)
{
    struct passwd entry, *found;
    struct group group, *gfound;
    char buffer[4000];

    for (int i = 0; i < 20; i++) {
        CHECK_RC(getpwuid_r(0, &entry, buffer, sizeof(buffer), &found), 0);
        CHECK(found);
        CHECK_STR(entry.pw_name, "root");
        CHECK_RC(getpwnam_r("no-such-user", &entry, buffer, sizeof(buffer), &found), 0);
        CHECK(!found);
        CHECK_RC(getgrgid_r(0, &group, buffer, sizeof(buffer), &gfound), 0);
        CHECK(gfound);
        CHECK_STR(group.gr_name, "root");
    }
    return arg;
}

int test_main(void)
{
    pthread_t threads[10];

    for (int i = 0; i < 10; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    CHECK(getpwnam("root") && getgrnam("root"));
    return 0;
}
