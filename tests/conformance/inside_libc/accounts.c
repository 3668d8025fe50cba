/* Users, groups, services, protocols: from many threads at once, one by one and listed, the same as
   when one thread asks. */
#include "testlib.h"

#include <grp.h>
#include <netdb.h>
#include <pwd.h>

static char users[20][64];
static uid_t ids[20];
static int user_count;

static void list_users(void)
{
    struct passwd *entry;

    setpwent();
    while (user_count < 20 && (entry = getpwent())) {
        snprintf(users[user_count], sizeof(users[0]), "%s", entry->pw_name);
        ids[user_count++] = entry->pw_uid;
    }
    endpwent();
}

static void *asks(void *arg)
{
    struct passwd entry, *found;
    struct group group, *group_found;
    struct protoent protocol, *protocol_found;
    gid_t groups[64];
    char buffer[8192];

    for (int i = 0; i < 3 * user_count; i++) {
        int n = i % user_count, count = 64;

        CHECK_RC(getpwnam_r(users[n], &entry, buffer, sizeof(buffer), &found), 0);
        CHECK(found);
        CHECK_EQ(entry.pw_uid, ids[n]);
        gid_t gid = entry.pw_gid;
        CHECK_GE(getgrouplist(users[n], gid, groups, &count), 1);
        CHECK_EQ(groups[0], gid);
        CHECK_RC(getgrgid_r(gid, &group, buffer, sizeof(buffer), &group_found), 0);
        if (group_found) {
            char name[64];

            snprintf(name, sizeof(name), "%s", group.gr_name);
            CHECK_RC(getgrnam_r(name, &group, buffer, sizeof(buffer), &group_found), 0);
            CHECK(group_found);
            CHECK_EQ(group.gr_gid, gid);
        }
        CHECK_RC(getprotobynumber_r(6, &protocol, buffer, sizeof(buffer), &protocol_found), 0);
    }
    return arg;
}

int test_main(void)
{
    pthread_t threads[16];

    list_users();
    CHECK_GE(user_count, 1);
    for (int i = 0; i < 16; i++)
        threads[i] = start(asks, NULL);
    for (int i = 0; i < 20; i++) { /* the main thread lists them meanwhile */
        int before = user_count, n = 0;
        struct passwd *entry;

        setpwent();
        while (n < before && (entry = getpwent()))
            CHECK_STR(entry->pw_name, users[n++]);
        endpwent();
        CHECK_EQ(n, before);
        CHECK(getpwnam("root") && getgrnam("root"));
    }
    for (int i = 0; i < 16; i++)
        finish(threads[i]);
    return 0;
}
